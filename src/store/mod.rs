//! Where bytes rest.

pub mod contract;
mod memory;

pub use memory::Memory;
