//! `SystemPagefileInformation` (class 18): the page files, in pages.

use super::bytes::Bytes;

/// Bytes of a record before its name (`SYSTEM_PAGEFILE_INFORMATION` on 64-bit Windows).
const RECORD_BYTES: usize = 0x20;
/// Windows has sixteen at most.
const MAX_FILES: usize = 64;

/// The page files together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFiles {
    /// Their size, in pages.
    pub total_pages: u64,
    /// How much of it is in use.
    pub used_pages: u64,
}

/// Adds up the page files of a buffer; an empty one has none.
///
/// # Errors
/// Says what is wrong with the buffer.
pub fn parse(buffer: Bytes<'_>) -> Result<PageFiles, &'static str> {
    let mut sum = PageFiles::default();
    let mut at = 0;
    if buffer.is_empty() {
        return Ok(sum);
    }
    for _ in 0..MAX_FILES {
        let record = buffer.slice(at, RECORD_BYTES).map(|bytes| Bytes::new(bytes, 0));
        let fields = record.and_then(|r| Some((r.u32(0)?, r.u32(4)?, r.u32(8)?)));
        let Some((next, total, used)) = fields else {
            return Err("a page file reaches over the end of the list");
        };
        sum.total_pages += u64::from(total);
        sum.used_pages += u64::from(used);
        match next as usize {
            0 => return Ok(sum),
            next if next < RECORD_BYTES => return Err("two page files of the list overlap"),
            next => at += next,
        }
    }
    Err("the list has more than 64 page files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_files_are_added_up() {
        let file = |next: u32, total: u32, used: u32| {
            let mut bytes = [next, total, used, used].map(u32::to_le_bytes).concat();
            bytes.resize(0x40, 7);
            bytes
        };
        let read = |bytes: &[u8]| parse(Bytes::new(bytes, 0));
        let two = [file(0x40, 1000, 10), file(0, 24, 2)].concat();
        assert_eq!(read(&two), Ok(PageFiles { total_pages: 1024, used_pages: 12 }));
        assert_eq!(read(&[]), Ok(PageFiles::default()));
        assert_eq!(read(&two[..0x5f]), Err("a page file reaches over the end of the list"));
        assert_eq!(read(&file(8, 1, 1)), Err("two page files of the list overlap"));
        assert_eq!(read(&file(0x20, 1, 1).repeat(99)), Err("a page file reaches over the end of the list"));
        let many: Vec<u8> = (0..99).flat_map(|_| file(0x40, 1, 1)).collect();
        assert_eq!(read(&many), Err("the list has more than 64 page files"));
    }
}
