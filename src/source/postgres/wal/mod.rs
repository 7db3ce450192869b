//! Write-ahead log: the names of its files, what stands in their pages, and where it parted.
//!
//! Reads bytes and names, and knows no store; one file asks a server for its archiver. Sizes of
//! segments are a cluster's own choice and are never assumed.

mod archiver;
mod history;
mod name;
mod page;
mod record;

pub use archiver::{Archiver, archiver};
pub use history::{Ancestry, parse_history};
pub use name::{Lsn, Segment, WalName, is_size};
pub use page::{check_first_page, check_segment};
pub use record::{Point, Walk, What};
