//! The format of artifacts: those of every version, seals, and scale.

pub mod age;
pub mod frozen;
pub mod mutated;
pub mod rotated;
pub mod scale;
pub mod seal;
