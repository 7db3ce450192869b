//! The way back: damage, fallback, kills, other programs, and what comes back of each kind.

pub mod as_a_run;
mod contract;
pub mod damage;
mod drill;
pub mod export;
pub mod fallback;
pub mod fidelity;
mod flipped;
mod killed;
mod library;
mod scratch;
pub mod which;
pub mod without_vex;
