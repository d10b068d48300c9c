//! Chasar: clientnode.
