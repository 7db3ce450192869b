//! A store that is a bucket of Google Cloud Storage, by its XML API: the protocol of S3 in Google's
//! words.
//!
//! Its uploads of parts know no conditions, so that a key is claimed first by a small object that
//! must find none there; the upload is put together over it (`s3/claim.rs`).

mod bucket;
mod dialect;
mod sign;
mod token;

pub use bucket::open;
