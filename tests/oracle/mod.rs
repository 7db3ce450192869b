//! Oracle through RMAN, against the strict stand-in `standin.py`: no real Oracle can be had.

pub mod backup;
pub mod bench;
pub mod failures;
pub mod killed;
pub mod restore;
pub mod sealed;
pub mod validate;
pub mod week;
