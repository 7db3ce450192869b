//! The binary log of MySQL and MariaDB in stores: what is there, how far it leads, and a replay of
//! it.

mod aim;
mod bases;
mod chain;
mod gtid;
mod name;
mod replay;
mod scan;
mod show;
mod stores;
mod way;
mod windows;

pub use aim::{LogAim, log_aim};
pub use bases::{LogBases, log_bases, needless, stands};
pub use chain::chain;
pub use name::{BinlogName, BinlogPlace, breaks, is_binlog_key, onward};
pub use replay::Recovery as LogRecovery;
pub use show::{Shown, around};
pub use stores::BinlogStores;
pub use windows::{Window, log_windows};
