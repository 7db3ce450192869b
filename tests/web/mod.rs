//! What people see, and how it is served.

mod front;
mod pages;
