//! Stores, what lies in them, and who may touch it.

pub mod azure;
pub mod contract;
pub mod copy;
pub mod gcs;
pub mod histories;
pub mod identity;
pub mod lease;
pub mod listing;
pub mod mount;
pub mod prune;
pub mod s3_keys;
pub mod s3_run;
pub mod s3_way;
pub mod sftp;
pub mod signed;
