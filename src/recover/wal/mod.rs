//! The write-ahead log of PostgreSQL in stores: what is there, how far it leads, and files of it
//! brought back.

mod aim;
mod archive;
mod bases;
mod fetch;
mod near;
pub mod object;
mod reach;
mod recovery;
mod way;

pub use aim::{Aim, aim};
pub use archive::{Stretch, WalCopy, WalStores, is_wal_key, put_wal};
pub use bases::{Base, Bases, backups, bases};
pub use fetch::{Fetched, fetch};
pub use near::system_near;
pub use object::WalStored;
pub use reach::Log;
pub use recovery::Recovery;
