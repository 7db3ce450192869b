//! What people see, and how it is served.

mod attack;
mod browser;
mod due;
pub mod front;
mod load;
mod pages;
mod roles;
