//! The way back: damage, fallback, other programs, and what comes back of each kind.

pub mod as_a_run;
mod contract;
pub mod damage;
pub mod export;
pub mod fallback;
pub mod fidelity;
pub mod which;
pub mod without_vex;
