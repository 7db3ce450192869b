//! A store that is a folder: keys are paths below it.

mod clock;
mod examine;
mod folder;
mod limits;
mod mount;
mod path;
mod upload;

pub use folder::Dir;
pub use limits::{declared, free};
