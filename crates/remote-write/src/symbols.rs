//! The texts of a message of 2.0: each is there once, and is told by its place.

use std::hash::{BuildHasher, RandomState};

use crate::protobuf::put_bytes;

/// Field of the texts in the message.
const SYMBOLS: u8 = 4;

/// Texts with their places, written as the message has them.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    /// The fields, one after the other.
    pub(crate) fields: Vec<u8>,
    /// Where each text lies in the fields, and its hash.
    known: Vec<(u64, u32, u32)>,
    /// Places by hash, 1 more than the place; 0 is free. The length is a power of two.
    slots: Vec<u32>,
    /// Texts are chosen by hosts: what is hashed without a secret can be made to collide.
    hasher: RandomState,
}

impl Symbols {
    pub(crate) fn new() -> Symbols {
        let mut symbols = Symbols {
            fields: Vec::new(),
            known: Vec::new(),
            slots: vec![0; 1 << 10],
            hasher: RandomState::new(),
        };
        symbols.clear();
        symbols
    }

    /// Forgets all but the empty text, which is the first one of every message.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.known.clear();
        self.slots.fill(0);
        self.place("");
    }

    /// The place of a text.
    pub(crate) fn place(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(place) = self.slots[slot].checked_sub(1) {
            let (of, at, len) = self.known[place as usize];
            let found = &self.fields[at as usize..][..len as usize];
            if of == hash && found == text.as_bytes() {
                return place;
            }
            slot = (slot + 1) & mask;
        }
        let place = self.known.len() as u32;
        put_bytes(&mut self.fields, SYMBOLS, text.as_bytes());
        let at = self.fields.len() - text.len();
        self.known.push((hash, at as u32, text.len() as u32));
        self.slots[slot] = place + 1;
        if self.known.len() * 2 > self.slots.len() {
            self.grow();
        }
        place
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (place, (hash, ..)) in self.known.iter().enumerate() {
            let mut slot = *hash as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = place as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_place() {
        let mut symbols = Symbols::new();
        for _ in 0..2 {
            assert_eq!(symbols.place(""), 0);
            for i in 0..5_000 {
                assert_eq!(symbols.place(&format!("text {i}")), i + 1);
            }
        }
        symbols.clear();
        assert_eq!(symbols.place("text 7"), 1);
        assert_eq!(symbols.fields, b"\x22\x00\x22\x06text 7");
    }
}
