//! A store that is a container of Azure Blob Storage, or of an emulator of it.
//!
//! An object is a block blob: its parts are blocks, committed by one list. Blocks of an upload that
//! was given up can't be removed one by one; the service does so a week after the last one came.

mod address;
mod checksum;
mod container;
mod dialect;
mod examine;
mod upload;
mod xml;

pub use container::Azure;
pub use upload::declared;
