//! What people see, and how it is served.

mod attack;
mod browser;
pub mod front;
mod load;
mod pages;
