//! Zip archives, the same bytes each time: all files are of one time.

use std::io::{Cursor, Write as _};

use zip::CompressionMethod::Deflated;
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::item::Item;
use crate::Result;

/// The archive of these files, in their order, all of the time `epoch` (Unix seconds).
pub(crate) fn archive(items: &[Item], epoch: u64) -> Result<Vec<u8>> {
    let time = time(epoch)?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for item in items {
        let options = SimpleFileOptions::default()
            .compression_method(Deflated)
            .compression_level(Some(9))
            .last_modified_time(time)
            .unix_permissions(item.mode);
        writer
            .start_file(item.path.as_str(), options)
            .map_err(|e| e.to_string())
            .and_then(|()| writer.write_all(&item.bytes).map_err(|e| e.to_string()))
            .map_err(|e| format!("cannot zip {}: {e}", item.path))?;
    }
    Ok(writer.finish().map_err(|e| format!("cannot zip: {e}"))?.into_inner())
}

/// The time as the format has it: UTC here, to two seconds, and none before 1980 or after 2107.
fn time(epoch: u64) -> Result<DateTime> {
    let cannot = |e: &dyn std::fmt::Display| format!("SOURCE_DATE_EPOCH {epoch}: {e}");
    let seconds = i64::try_from(epoch).map_err(|e| cannot(&e))?;
    let time =
        jiff::Timestamp::from_second(seconds).map_err(|e| cannot(&e))?.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |part: i8| part.unsigned_abs();
    match u16::try_from(time.year()).unwrap_or_default() {
        ..1980 => Ok(DateTime::default()),
        year => DateTime::from_date_and_time(
            year,
            part(time.month()),
            part(time.day()),
            part(time.hour()),
            part(time.minute()),
            part(time.second()),
        )
        .map_err(|e| cannot(&e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_the_time_that_was_given() {
        for (epoch, expected) in [
            (1_700_000_000, "2023-11-14 22:13:20"),
            (0, "1980-01-01 00:00:00"),
            (4_354_819_198, "2107-12-31 23:59:58"),
        ] {
            let bytes = archive(&[Item::new("a", "text")], epoch).unwrap();
            let mut read = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
            assert_eq!(read.by_index(0).unwrap().last_modified().unwrap().to_string(), expected);
        }
        assert!(archive(&[Item::new("a", "text")], 4_354_819_200).is_err(), "2108");
    }
}
