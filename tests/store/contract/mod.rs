//! What every store owes, what a bucket owes beside, and what the way there may do.

pub mod s3;
mod store;
mod way;
