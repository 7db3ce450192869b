//! What is kept and told of a run: catalog, letters, webhooks and pings.

pub mod ask;
pub mod catalog;
pub mod expect;
pub mod hooks;
pub mod late;
pub mod letters;
pub mod matrix;
pub mod month;
pub mod notify;
pub mod records;
pub mod status;
