//! A store that is a bucket of S3, or of a service that speaks its protocol.
//!
//! rust-s3 finds credentials and makes signatures; the bytes travel over our pooled agent, because
//! rust-s3's own wire has no keep-alive, a deadline over whole transfers, and one global count of
//! tries.

mod address;
mod bucket;
mod claim;
mod credentials;
mod dialect;
mod examine;
mod flavor;
mod identity;
mod instance;
mod keys;
mod object;
mod sign;
mod upload;
mod xml;

pub use address::Address;
pub use bucket::S3;
pub use flavor::{Flavor, google_crc32c};
pub use object::{listed_size, listing};
pub use sign::canonical_request;
