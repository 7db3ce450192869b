//! Where bytes come from and go back to.

pub mod contract;
