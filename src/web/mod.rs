//! The dashboard: from a socket to a page and back.
//!
//! Pages are functions from a [`Request`] to a [`Response`]; they see no socket, and nothing here
//! opens a file by a name from a request.

mod accounts;
mod acts;
mod cookie;
mod dashboard;
mod desk;
mod engine;
mod exchange;
mod found;
mod front;
mod guard;
mod password;
mod report_pages;
mod route;
mod search;
mod serve;
mod session;
mod sessions;
mod show;
mod state;
mod target;
mod throttle;

pub use crate::web::dashboard::Dashboard;
pub use crate::web::desk::Desk;
pub use crate::web::exchange::{Handler, Method, Request, Response};
pub use crate::web::front::{Proxy, Tls};
pub use crate::web::password::{LONGEST, SHORTEST, hash as hash_password};
pub use crate::web::report_pages::ReportPages;
pub use crate::web::route::{Route, Who};
pub use crate::web::serve::{Config, ServeError, serve};
pub use crate::web::state::{Settings, State};
