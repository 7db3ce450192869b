//! What people see, and how it is served.

mod browser;
mod due;
mod front;
mod pages;
mod roles;
