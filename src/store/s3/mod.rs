//! A store that is a bucket of S3, or of a service that speaks its protocol.
//!
//! rust-s3 finds credentials and makes signatures; the bytes travel over our pooled agent, because
//! rust-s3's own wire has no keep-alive, a deadline over whole transfers, and one global count of
//! tries.

mod address;
mod bucket;
mod call;
mod commit;
mod credentials;
mod examine;
mod object;
mod read;
mod refusal;
mod sign;
mod span;
mod upload;
mod wire;
mod xml;

pub use bucket::S3;
pub use call::Pace;
