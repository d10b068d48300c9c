//! First in, first out storage of byte records in a few large chunks.
//!
//! Records lie one after another in chunks of [`CHUNK_BYTES`], so a record costs no allocation, and
//! when the queue shrinks whole chunks go back to the system. One emptied chunk is kept: a queue
//! that turns over at a steady size allocates nothing.

use std::collections::VecDeque;

/// Size of a chunk; a larger record gets a chunk of its own.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// From this capacity on the index gives room back when three quarters of it are unused.
const SMALL_INDEX: usize = 256;

/// A queue of records, each with a tag `T`.
pub(crate) struct Ring<T> {
    chunks: VecDeque<Chunk>,
    /// Number of the first chunk in `chunks`, counted from the beginning.
    first_chunk: u64,
    spare: Option<Box<[u8]>>,
    index: VecDeque<Slot<T>>,
    /// Number of the first record in `index`, counted from the beginning.
    first_record: u64,
    record_bytes: usize,
    chunk_bytes: usize,
}

struct Chunk {
    bytes: Box<[u8]>,
    used: usize,
}

struct Slot<T> {
    chunk: u64,
    offset: u32,
    len: u32,
    tag: T,
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Ring<T> {
        Ring {
            chunks: VecDeque::new(),
            first_chunk: 0,
            spare: None,
            index: VecDeque::new(),
            first_record: 0,
            record_bytes: 0,
            chunk_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of the records.
    pub(crate) fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    /// Bytes taken from the allocator: chunks and index.
    pub(crate) fn held_bytes(&self) -> usize {
        self.chunk_bytes
            + self.spare.as_ref().map_or(0, |s| s.len())
            + self.index.capacity() * size_of::<Slot<T>>()
    }

    /// What [`held_bytes`](Self::held_bytes) would be after a push of `len` bytes.
    pub(crate) fn held_bytes_after(&self, len: usize) -> usize {
        let index = if self.index.len() == self.index.capacity() {
            self.index.capacity().max(4) * size_of::<Slot<T>>()
        } else {
            0
        };
        let fits = self.chunks.back().is_some_and(|c| c.bytes.len() - c.used >= len);
        let chunk = match &self.spare {
            _ if fits => 0,
            Some(_) if len <= CHUNK_BYTES => 0,
            _ => len.max(CHUNK_BYTES),
        };
        self.held_bytes() + index + chunk
    }

    /// Number of the oldest record; records are numbered 0, 1, 2, … in the order of pushing.
    pub(crate) fn first(&self) -> u64 {
        self.first_record
    }

    /// Number that the next record will get.
    pub(crate) fn end(&self) -> u64 {
        self.first_record + self.index.len() as u64
    }

    /// # Panics
    /// When `bytes` is 4 GiB or longer.
    pub(crate) fn push(&mut self, bytes: &[u8], tag: T) {
        let len = u32::try_from(bytes.len()).expect("a record is below 4 GiB");
        if self.chunks.back().is_none_or(|c| c.bytes.len() - c.used < bytes.len()) {
            let fresh = match self.spare.take() {
                Some(spare) if spare.len() >= bytes.len() => spare,
                spare => {
                    self.spare = spare;
                    vec![0; bytes.len().max(CHUNK_BYTES)].into_boxed_slice()
                }
            };
            self.chunk_bytes += fresh.len();
            self.chunks.push_back(Chunk { bytes: fresh, used: 0 });
        }
        let chunk = self.chunks.back_mut().expect("made above");
        let offset = chunk.used;
        chunk.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        chunk.used += bytes.len();
        self.record_bytes += bytes.len();
        let slot = Slot {
            chunk: self.first_chunk + self.chunks.len() as u64 - 1,
            offset: u32::try_from(offset).expect("a chunk is below 4 GiB"),
            len,
            tag,
        };
        self.index.push_back(slot);
    }

    /// Lets the oldest record go.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let slot = self.index.pop_front()?;
        self.first_record += 1;
        self.record_bytes -= slot.len as usize;
        let still_used = self.index.front().map_or(self.first_chunk + self.chunks.len() as u64, |s| s.chunk);
        while self.first_chunk < still_used {
            let chunk = self.chunks.pop_front().expect("numbered without holes");
            self.first_chunk += 1;
            self.chunk_bytes -= chunk.bytes.len();
            if self.spare.is_none() && chunk.bytes.len() == CHUNK_BYTES {
                self.spare = Some(chunk.bytes);
            }
        }
        if self.index.capacity() > SMALL_INDEX && self.index.len() < self.index.capacity() / 4 {
            self.index.shrink_to(self.index.len() * 2);
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
        Some(slot.tag)
    }

    pub(crate) fn tag(&self, record: u64) -> Option<&T> {
        self.slot(record).map(|s| &s.tag)
    }

    pub(crate) fn get(&self, record: u64) -> Option<(&[u8], &T)> {
        let slot = self.slot(record)?;
        let chunk = &self.chunks[(slot.chunk - self.first_chunk) as usize];
        let start = slot.offset as usize;
        Some((&chunk.bytes[start..start + slot.len as usize], &slot.tag))
    }

    fn slot(&self, record: u64) -> Option<&Slot<T>> {
        self.index.get(usize::try_from(record.checked_sub(self.first_record)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_goes_back_when_the_queue_shrinks() {
        let mut ring = Ring::new();
        for i in 0..3600u32 {
            ring.push(&[i as u8; 2200], i);
        }
        assert!(ring.held_bytes() > 7_900_000);
        while ring.len() > 10 {
            ring.pop();
        }
        assert!(ring.held_bytes() < 4 * CHUNK_BYTES, "{} bytes held for 10 records", ring.held_bytes());
    }

    proptest! {
        #[test]
        fn behaves_like_a_deque(
            actions in prop::collection::vec((0u8..5, 0usize..200_000, any::<u8>()), 0..200),
        ) {
            let mut ring = Ring::new();
            let mut model: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
            let mut pushed = 0u64;
            for (kind, size, fill) in actions {
                match kind {
                    0..3 => {
                        let bytes = vec![fill; if kind == 0 { size } else { size % 3000 }];
                        let foretold = ring.held_bytes_after(bytes.len());
                        ring.push(&bytes, pushed);
                        prop_assert!(ring.held_bytes() <= foretold, "{} > {foretold}", ring.held_bytes());
                        model.push_back((pushed, bytes));
                        pushed += 1;
                    }
                    _ => {
                        for _ in 0..size % 4 {
                            prop_assert_eq!(ring.pop(), model.pop_front().map(|(n, _)| n));
                        }
                    }
                }
                prop_assert_eq!(ring.len(), model.len());
                prop_assert_eq!(ring.end(), pushed);
                prop_assert_eq!(ring.record_bytes(), model.iter().map(|(_, b)| b.len()).sum::<usize>());
                for (n, bytes) in &model {
                    prop_assert_eq!(ring.get(*n), Some((bytes.as_slice(), n)));
                }
                prop_assert!(ring.get(pushed).is_none());
                prop_assert!(ring.first() == 0 || ring.tag(ring.first() - 1).is_none());
            }
        }
    }
}
