//! PostgreSQL on real servers.

pub mod archive;
pub mod binary;
pub mod catalogues;
pub mod connect;
pub mod doctor;
pub mod end_to_end;
pub mod engine;
pub mod globals;
pub mod odd;
pub mod physical;
pub mod physical_chain;
pub mod physical_standby;
pub mod pooler;
pub mod refused;
pub mod restore;
pub mod traps;
pub mod vacuum;
pub mod wal;
