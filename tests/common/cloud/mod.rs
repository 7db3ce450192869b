//! Stand-ins for clouds, on loopback: as strict as the service in what they refuse.
//!
//! `http` is a server of requests with faults on the way; the others are what a service does.
//! Each verifies signatures by code of its own.

pub mod aws;
pub mod azure;
pub mod google;
mod http;

pub use http::{Fault, Http, What};
