//! MySQL and MariaDB on real servers.

pub mod accounts;
pub mod bank;
mod bench;
pub mod binlog;
pub mod catalogues;
pub mod charsets;
pub mod ddl;
pub mod end_to_end;
pub mod engines;
pub mod odd;
pub mod policy;
pub mod refused;
pub mod replay;
pub mod replay_load;
pub mod replica;
pub mod restore;
pub mod slices;
pub mod zoo;
