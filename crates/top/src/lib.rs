//! Chasar: top.
