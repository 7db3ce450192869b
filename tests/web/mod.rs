//! What people see, and how it is served.

mod browser;
pub mod front;
mod load;
mod pages;
