//! What something on the way does to an answer of the service, well meant or not.
//!
//! Knows an answer, not the wire. Several changes may come together, in the order they are asked
//! for.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::proxy::Message;

/// A change of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Alter {
    /// This header stands instead of the service's own.
    Header(&'static str, &'static str),
    /// This header is gone.
    Without(&'static str),
    /// A range is answered with status 200 and the whole object.
    Whole,
    /// The body comes in chunks, without a length.
    Chunked,
    /// The body ends with the connection, without a length.
    Closed,
    /// The length that is told is this one.
    Length(usize),
    /// The body is compressed, and its tag weakened.
    Gzip,
    /// A page for people with this status comes instead, with so many spaces in it.
    Page(u16, usize),
    /// The body comes instead.
    Body(&'static str),
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Framing {
    /// By its length.
    #[default]
    Own,
    /// By this length.
    Length(usize),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    Closed,
}

impl Alter {
    /// Changes the answer to a request for `object`, which is this file.
    pub fn apply(&self, answer: &mut Message, object: &Path) {
        match self {
            Alter::Header(name, value) => answer.set(name, value),
            Alter::Without(name) => answer.headers.retain(|(n, _)| n != name),
            Alter::Whole => {
                answer.first = "200".into();
                answer.headers.retain(|(n, _)| n != "content-range");
                answer.body = std::fs::read(object).unwrap();
            }
            Alter::Chunked => answer.framing = Framing::Chunked,
            Alter::Closed => answer.framing = Framing::Closed,
            Alter::Length(bytes) => answer.framing = Framing::Length(*bytes),
            Alter::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&answer.body).unwrap();
                answer.body = gzip.finish().unwrap();
                answer.set("content-encoding", "gzip");
                let tag = answer.header("etag").map(|tag| format!("W/{tag}"));
                answer.set("etag", &tag.unwrap_or_default());
            }
            Alter::Page(status, bytes) => {
                let text = format!("<html><body>Welcome{}</body></html>", " ".repeat(*bytes));
                answer.first = status.to_string();
                answer.headers = vec![("content-type".into(), "text/html; charset=utf-8".into())];
                answer.body = text.into_bytes();
            }
            Alter::Body(text) => {
                answer.headers.clear();
                answer.body = text.as_bytes().to_vec();
            }
        }
    }
}
