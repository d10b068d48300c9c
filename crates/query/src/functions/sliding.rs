//! Folds over sliding windows in constant time a sample, for folds that cannot be undone.

/// Holds the fold of a queue of values as two parts: of the older ones the folds of all suffixes,
/// of the newer ones the fold of all. When the older ones are used up, the newer ones take their
/// place; every value is folded three times at most, however long the window.
pub(crate) struct Sliding<T, O, J> {
    one: O,
    join: J,
    /// Folds from each value of the older part to its end, last value first.
    suffixes: Vec<T>,
    /// Where the older part ends and the newer begins.
    middle: usize,
    newer: Option<T>,
    from: usize,
    to: usize,
}

impl<T: Copy, O: Fn(usize) -> T, J: Fn(T, T) -> T> Sliding<T, O, J> {
    pub(crate) fn new(one: O, join: J) -> Self {
        Sliding { one, join, suffixes: Vec::new(), middle: 0, newer: None, from: 0, to: 0 }
    }

    /// The fold of the window `from..to`, which is not empty; neither end ever goes back.
    pub(crate) fn fold(&mut self, from: usize, to: usize) -> T {
        debug_assert!(from < to && from >= self.from && to >= self.to);
        if from >= self.to {
            // Nothing of the window before is left.
            (self.middle, self.to, self.newer) = (from, from, None);
            self.suffixes.clear();
        }
        for at in self.to..to {
            let value = (self.one)(at);
            self.newer = Some(self.newer.map_or(value, |newer| (self.join)(newer, value)));
        }
        (self.from, self.to) = (from, to);
        if from >= self.middle {
            self.suffixes.clear();
            for at in (from..to).rev() {
                let value = (self.one)(at);
                let fold = self.suffixes.last().map_or(value, |last| (self.join)(value, *last));
                self.suffixes.push(fold);
            }
            (self.middle, self.newer) = (to, None);
        }
        let older = self.suffixes[self.middle - from - 1];
        self.newer.map_or(older, |newer| (self.join)(older, newer))
    }
}
