//! Chasar: masternode.
