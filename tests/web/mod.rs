//! What people see, and how it is served.

mod attack;
mod browser;
mod due;
pub mod front;
mod guess;
mod load;
mod names;
mod pages;
mod roles;
mod service;
mod trouble;
