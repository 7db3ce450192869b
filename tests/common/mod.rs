//! The one harness: a folder for a test, servers, an S3 service, sample databases, and readers of
//! artifacts that are not those of vex.

pub mod artifact;
pub mod binary;
pub mod browser;
pub mod cloud;
pub mod mysql_state;
pub mod s3_server;
pub mod servers;
pub mod shop;
pub mod smtp;
pub mod space;
pub mod sshd;
