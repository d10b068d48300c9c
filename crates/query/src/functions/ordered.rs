//! The values of a sliding window, kept in order.

/// How many values come and go at once until merging is cheaper than placing each.
const MERGE_FROM: usize = 6;

/// A number whose order is that of the floats, NaN first. Comparing whole numbers is much faster.
pub(crate) fn key(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MIN;
    }
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The float of a [`key`].
pub(crate) fn value(key: i64) -> f64 {
    if key == i64::MIN {
        return f64::NAN;
    }
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// A window's values in order.
#[derive(Default)]
pub(crate) struct Ordered {
    keys: Vec<i64>,
    gone: Vec<i64>,
    come: Vec<i64>,
    scratch: Vec<i64>,
}

impl Ordered {
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn get(&self, at: usize) -> f64 {
        value(self.keys[at])
    }

    /// Takes out values that are there, and takes in others.
    pub(crate) fn slide(&mut self, gone: &[f64], come: &[f64]) {
        if gone.len() + come.len() < MERGE_FROM {
            for value in gone {
                let key = key(*value);
                let at = self.keys.partition_point(|k| *k < key);
                self.keys.remove(at);
            }
            for value in come {
                let key = key(*value);
                let at = self.keys.partition_point(|k| *k < key);
                self.keys.insert(at, key);
            }
            return;
        }
        for (keys, values) in [(&mut self.gone, gone), (&mut self.come, come)] {
            keys.clear();
            keys.extend(values.iter().map(|v| key(*v)));
            keys.sort_unstable();
        }
        self.scratch.clear();
        let (mut gone, mut come) = (self.gone.iter().peekable(), self.come.iter().peekable());
        for key in &self.keys {
            while let Some(new) = come.next_if(|new| **new < *key) {
                self.scratch.push(*new);
            }
            if gone.next_if_eq(&key).is_none() {
                self.scratch.push(*key);
            }
        }
        self.scratch.extend(come);
        std::mem::swap(&mut self.keys, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_floats() {
        let all = [f64::NAN, f64::NEG_INFINITY, -1e300, -1.0, -1e-300, -0.0, 0.0, 5e-324, 1.0, f64::INFINITY];
        for pair in all.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        for float in all {
            assert_eq!(value(key(float)).to_bits(), float.to_bits());
        }
    }
}
