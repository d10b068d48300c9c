//! The `chasar` program.
fn main() {}
