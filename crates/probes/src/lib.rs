//! Chasar: probes.
