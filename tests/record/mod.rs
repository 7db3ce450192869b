//! What is kept and told of a run: catalog, letters, webhooks and pings.

pub mod catalog;
pub mod matrix;
pub mod notify;
pub mod records;
pub mod status;
