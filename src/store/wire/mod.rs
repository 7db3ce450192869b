//! What every store over HTTP shares: a request that is tried again, its refusal, reading over a
//! way that breaks, and writes whose lost answer is resolved by looking.
//!
//! Knows no service: a [`dialect::Dialect`] says how one is addressed and asked.

pub mod ask;
pub mod body;
pub mod call;
pub mod commit;
pub mod dialect;
pub mod fetch;
pub mod key;
pub mod look;
pub mod read;
pub mod refusal;
mod span;
pub mod xml;
