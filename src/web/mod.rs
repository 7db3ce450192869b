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
mod front;
mod guard;
pub mod password;
mod report_pages;
mod route;
mod serve;
mod session;
mod show;
mod state;
mod target;
mod throttle;

pub use crate::web::cookie::{cookie, full_name};
pub use crate::web::dashboard::Dashboard;
pub use crate::web::desk::Desk;
pub use crate::web::engine::Complain;
pub use crate::web::exchange::{Body, Events, Handler, Keep, Method, Request, Response};
pub use crate::web::front::{Proxy, Times, Tls, TlsError};
pub use crate::web::guard::Guard;
pub use crate::web::report_pages::ReportPages;
pub use crate::web::route::{Route, Who};
pub use crate::web::serve::{Config, ServeError, serve};
pub use crate::web::state::{Settings, State};
pub use crate::web::target::{BadTarget, Pairs};
