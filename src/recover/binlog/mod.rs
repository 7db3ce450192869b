//! The binary log of MySQL and MariaDB in stores: what is there, how far it leads, and a replay of
//! it.

mod aim;
mod chain;
mod gtid;
mod name;
mod replay;
mod scan;
mod show;
mod stores;
mod way;

pub use aim::{LogAim, log_aim};
pub use name::{BinlogName, BinlogPlace, breaks, is_binlog_key, onward, part};
pub use replay::Recovery as LogRecovery;
pub use show::{Shown, around};
pub use stores::{BinlogStores, Listed};
