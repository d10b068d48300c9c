//! Chasar's library face.
