//! The front: owns the socket that the network sees, and lets one whole, plain request at a time
//! through to the server behind it.
//!
//! Does not know pages. No connection waits without a time-out, none holds more than a head and a
//! body, and there are never more of them than the limit.

mod accept;
mod connection;
mod connections;
mod head;
mod line;
mod rewrite;
mod tls;

pub use crate::web::front::accept::Front;
pub use crate::web::front::connection::Times;
pub use crate::web::front::connections::Connections;
pub use crate::web::front::head::BODY_LIMIT;
pub use crate::web::front::rewrite::{CONNECTION, PEER, Proxy, SECURE, USER};
pub use crate::web::front::tls::{Tls, TlsError};
