//! The door: calls `cli::main`.

fn main() {}
