//! Zip archives, the same bytes each time: every file is of 1980, the first year that the format knows.

use std::io::{Cursor, Write as _};

use zip::CompressionMethod::Deflated;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::item::Item;
use crate::Result;

/// The archive of these files, in their order.
pub(crate) fn archive(items: &[Item]) -> Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for item in items {
        let options = SimpleFileOptions::default()
            .compression_method(Deflated)
            .compression_level(Some(9))
            .unix_permissions(item.mode);
        writer
            .start_file(item.path.as_str(), options)
            .map_err(|e| e.to_string())
            .and_then(|()| writer.write_all(&item.bytes).map_err(|e| e.to_string()))
            .map_err(|e| format!("cannot zip {}: {e}", item.path))?;
    }
    Ok(writer.finish().map_err(|e| format!("cannot zip: {e}"))?.into_inner())
}
