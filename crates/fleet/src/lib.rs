//! Chasar: fleet.
