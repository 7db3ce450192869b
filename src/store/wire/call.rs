//! What is asked, what comes back, and how patiently.
//!
//! Plain data; does not know the wire.

use std::time::Duration;

use http::{HeaderMap, Method};

/// How patient the store is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many parts are sent at once.
    pub lanes: usize,
    /// How long the other side may be silent.
    pub stall: Duration,
    /// How often one request is tried.
    pub tries: u32,
    /// Up to how long the first wait is; it doubles.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Pace {
    /// Eight tries over about a minute, two minutes of silence at most.
    pub fn new(lanes: usize) -> Pace {
        let (stall, first, longest) =
            (Duration::from_secs(120), Duration::from_millis(500), Duration::from_secs(30));
        Pace { lanes, stall, tries: 8, first, longest }
    }
}

/// A request, before it is signed.
pub struct Call<'a> {
    /// `GET` and so on.
    pub method: Method,
    /// The object, or the bucket.
    pub key: Option<&'a str>,
    /// The query.
    pub query: Vec<(&'static str, String)>,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// A header about checksums, left out where the service does not know it.
    pub checksum: Option<(&'static str, String)>,
    /// Whether it must find no object there; left out where the service does not know it.
    pub fresh: bool,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Call<'a> {
    /// A request without query, headers and body.
    pub fn new(method: Method, key: Option<&'a str>) -> Call<'a> {
        Call {
            method,
            key,
            query: Vec::new(),
            headers: Vec::new(),
            checksum: None,
            fresh: false,
            body: &[],
        }
    }
}

/// A header as text.
pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// An answer that says yes.
#[derive(Debug)]
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}
