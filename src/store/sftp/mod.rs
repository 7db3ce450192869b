//! The store on a server that speaks SFTP, over the `ssh` of the system: its keys, agent,
//! certificates, known hosts and jump hosts are the user's own, and none of the crypto is ours.

mod packet;
mod place;
mod pump;
mod server;
mod session;
mod upload;

pub use server::{Sftp, declared};
