//! What a server says before it leaves; one end of a socket stands in for it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::base::Stop;
use crate::source::contract::ErrorKind;
use crate::source::postgres::fault::sqlstate;
use crate::source::postgres::wire::{LOOK, READ, Stream, Wire};

/// A connection, and what stands in for the server at its other end.
fn pair() -> (Wire, UnixStream) {
    let (own, server) = UnixStream::pair().expect("two ends");
    own.set_read_timeout(Some(LOOK)).expect("a time-out");
    let wire = Wire {
        stream: Stream::Socket(own),
        buffer: vec![0; READ],
        from: 0,
        to: 0,
        place: "read".into(),
        process: None,
        patience: Duration::from_secs(60),
    };
    (wire, server)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

const FATAL: &[u8] =
    b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";

const WORDS: &str = "terminating connection due to administrator command (SQLSTATE 57P01)";

#[test]
fn what_the_server_says_before_it_leaves_is_the_error() {
    let (mut wire, mut server) = pair();
    let rows = [message(b'H', b"\0\0\0"), message(b'd', b"1\n"), message(b'E', FATAL)].concat();
    server.write_all(&rows).expect("sent");
    server.shutdown(std::net::Shutdown::Write).expect("closed");
    let error = wire
        .copy_out("COPY t TO STDOUT", "read t", &Stop::new(), &mut |_| Ok(()))
        .expect_err("the rows end early");
    assert_eq!((error.kind, error.found.as_str()), (ErrorKind::Unreachable, WORDS));
}

#[test]
fn what_the_server_said_to_an_idle_connection_is_the_error_of_the_next_statement() {
    let (mut wire, mut server) = pair();
    server.write_all(&message(b'E', FATAL)).expect("sent");
    drop(server);
    let error = wire.run("SELECT 1", "ask", &Stop::new()).expect_err("nobody is there");
    assert_eq!((error.kind, error.found.as_str()), (ErrorKind::Unreachable, WORDS));
}

#[test]
fn a_server_that_leaves_without_a_word_is_one_that_closed_the_connection() {
    let (mut wire, mut server) = pair();
    server.write_all(&message(b'C', b"COPY 0\0")).expect("sent");
    server.shutdown(std::net::Shutdown::Write).expect("closed");
    let error = wire.run("SELECT 1", "ask", &Stop::new()).expect_err("nobody is there");
    assert_eq!(error.found, "the server closed the connection");
    assert!(sqlstate(&error).is_none());
}
