//! rpm's header structure: an index of tags, and the store with their values.

use std::collections::BTreeMap;

/// The value of a tag.
pub(super) enum Value {
    Shorts(Vec<u16>),
    Numbers(Vec<u32>),
    Text(String),
    Texts(Vec<String>),
    /// A text of which there may be translations; here there is one.
    Localized(String),
}

/// Tags and their values.
#[derive(Default)]
pub(super) struct Header {
    tags: BTreeMap<u32, Value>,
}

impl Header {
    /// Sets a tag.
    pub(super) fn set(&mut self, tag: u32, value: Value) {
        self.tags.insert(tag, value);
    }

    /// The header as it is written. `region` is the tag that says that all of it belongs together and stays as
    /// it is: its value, at the end of the store, is an index entry that points back over the whole index.
    pub(super) fn bytes(&self, region: u32) -> Vec<u8> {
        const BINARY: u32 = 7;
        let count = u32::try_from(self.tags.len() + 1).expect("few tags");
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, value) in &self.tags {
            let (kind, count, width) = match value {
                Value::Shorts(numbers) => (3, numbers.len(), 2),
                Value::Numbers(numbers) => (4, numbers.len(), 4),
                Value::Text(_) => (6, 1, 1),
                Value::Texts(texts) => (8, texts.len(), 1),
                Value::Localized(_) => (9, 1, 1),
            };
            store.resize(store.len().next_multiple_of(width), 0);
            entry(&mut index, *tag, kind, length(&store), u32::try_from(count).expect("few values"));
            match value {
                Value::Shorts(numbers) => store.extend(numbers.iter().flat_map(|n| n.to_be_bytes())),
                Value::Numbers(numbers) => store.extend(numbers.iter().flat_map(|n| n.to_be_bytes())),
                Value::Text(text) | Value::Localized(text) => terminated(&mut store, text),
                Value::Texts(texts) => texts.iter().for_each(|text| terminated(&mut store, text)),
            }
        }
        let mut first = Vec::new();
        entry(&mut first, region, BINARY, length(&store), 16);
        entry(&mut store, region, BINARY, (count * 16).wrapping_neg(), 16);

        let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
        bytes.extend(count.to_be_bytes());
        bytes.extend(length(&store).to_be_bytes());
        bytes.extend(first);
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }
}

fn entry(to: &mut Vec<u8>, tag: u32, kind: u32, offset: u32, count: u32) {
    to.extend([tag, kind, offset, count].iter().flat_map(|n| n.to_be_bytes()));
}

fn terminated(store: &mut Vec<u8>, text: &str) {
    store.extend(text.bytes());
    store.push(0);
}

fn length(store: &[u8]) -> u32 {
    u32::try_from(store.len()).expect("a header is small")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_the_region_points_back() {
        let mut header = Header::default();
        header.set(1000, Value::Text("a".to_owned()));
        header.set(1009, Value::Numbers(vec![7]));
        let bytes = header.bytes(63);
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(bytes[..4], [0x8e, 0xad, 0xe8, 1]);
        // Three entries, the region first; the store: "a", its end, two bytes to align, the number, the region.
        assert_eq!((number(8), number(12)), (3, 24));
        assert_eq!([16, 20, 24, 28].map(number), [63, 7, 8, 16]);
        assert_eq!([32, 36, 40, 44].map(number), [1000, 6, 0, 1]);
        assert_eq!([48, 52, 56, 60].map(number), [1009, 4, 4, 1]);
        assert_eq!(bytes[64..72], [b'a', 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!([72, 76, 80, 84].map(number), [63, 7, 48_u32.wrapping_neg(), 16]);
        assert_eq!(bytes.len(), 88);
    }
}
