//! What Windows answers, read out of bytes: no pointer is followed and no call is made, so all of it
//! compiles and is tested on every system.
//!
//! Layouts are those of 64-bit Windows (x86_64 and arm64 have the same); the probes check at compile
//! time that the structures which have public declarations agree. Every count and offset that a
//! buffer holds is checked against the buffer before it is used.

pub mod adapters;
pub mod bytes;
pub mod counter;
#[doc(hidden)]
pub mod fuzzing;
pub mod page_file;
pub mod process;
pub mod processor;
pub mod system;
pub mod tcp;
