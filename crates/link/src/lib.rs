//! Chasar: link.
