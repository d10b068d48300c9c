//! What only Windows has: console events, and the life of a service.

pub(crate) mod console;
pub(crate) mod service;
