//! Chasar: libzmq.
