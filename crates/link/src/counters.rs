//! Counters that one thread writes and any thread reads, without locks.

/// Declares a set of counters twice: the live one (atomic, shared) and the values read from it at one moment.
macro_rules! counters {
    (
        $(#[$live_doc:meta])* live $live:ident;
        $(#[$read_doc:meta])* read $read:ident;
        $($(#[$doc:meta])* $name:ident,)*
    ) => {
        $(#[$live_doc])*
        #[derive(Debug, Default)]
        pub struct $live {
            $(pub(crate) $name: std::sync::atomic::AtomicU64,)*
        }

        $(#[$read_doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $read {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $live {
            /// The values now. Each is exact; together they may be a moment apart.
            #[must_use]
            pub fn read(&self) -> $read {
                $read { $($name: self.$name.load(std::sync::atomic::Ordering::Relaxed),)* }
            }
        }
    };
}

pub(crate) use counters;

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts a number of bytes or things.
pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}
