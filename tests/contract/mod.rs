//! What every store owes, and what a bucket owes beside.

mod s3;
mod store;
