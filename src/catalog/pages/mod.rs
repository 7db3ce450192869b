//! What pages ask of the catalog: rows as they are, nothing shown yet.
//!
//! Read only, in the portable subset of SQL. Knows no page and no language.

mod copy;
mod estate;
mod list;
mod one;
mod row;

pub use copy::HeldCopy;
pub use estate::{Drill, Estate, Growth, KnownChain, KnownCopy, KnownJob, Override, Remark};
pub use list::{ListQuery, Order, RunsQuery, Totals};
pub use one::{ListedRun, ListedStep, LogLine, RemovedCopy};
pub use row::ListedBackup;
