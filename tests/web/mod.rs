//! What people see, and how it is served.

mod browser;
mod front;
mod pages;
