//! Chasar: wire.
