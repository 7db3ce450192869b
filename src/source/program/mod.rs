//! What programs that read or restore a source in vex's place have in common: the private folder
//! with their password and what they stage, their log, how what they write is followed and cut.
//!
//! Does not know which program runs, nor what its output means.

mod follow;
mod log;
mod private;
mod severity;

pub use follow::{Bytes, failed, follow, staged};
pub use log::ToolLog;
pub use private::{Private, option};
