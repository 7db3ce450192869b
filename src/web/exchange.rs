//! What a page sees of HTTP: a [`Request`], and the [`Response`] it gives.
//!
//! Does not know sockets, nor where the request came from. A request that exists is well formed: its
//! path is decoded and holds no dot segment. A field of a response can't hold the end of a line,
//! and a redirect leads to a path of this host, whatever text it was made from.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Duration;

use crate::base::Stop;
use crate::web::cookie;
use crate::web::target::{self, BadTarget, Pairs};

/// What is to be done; a HEAD is a GET whose body is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows something and changes nothing.
    Get,
    /// Changes something.
    Post,
}

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// One request, whole.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path, decoded; begins with `/`.
    pub path: String,
    /// What follows the question mark.
    pub query: Pairs,
    /// Who asks: the other end, or whom a trusted proxy names.
    pub peer: IpAddr,
    /// Whether the request came over TLS, here or at a trusted proxy.
    pub secure: bool,
    /// The host that was asked, with its port where one was written.
    pub host: String,
    /// Whom a trusted proxy has signed in.
    pub proxy_user: Option<String>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    form: OnceLock<Pairs>,
}

impl Request {
    /// A request for a target as it stands in the first line, from this machine.
    pub fn new(method: Method, target: &str) -> Result<Request, BadTarget> {
        let (path, query) = target::parse(target)?;
        Ok(Request {
            method,
            path,
            query,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            host: String::new(),
            proxy_user: None,
            fields: Vec::new(),
            body: Vec::new(),
            form: OnceLock::new(),
        })
    }

    /// With one more header field; `Host` is the host.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Request {
        let name = name.to_ascii_lowercase();
        if name == "host" {
            value.clone_into(&mut self.host);
        }
        self.fields.push((name, value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Request {
        self.body = body;
        self.form = OnceLock::new();
        self
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The value of a cookie of ours; behind TLS only one that was set over TLS by this host.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie::find(self.header("cookie")?, &cookie::full_name(name, self.secure))
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The fields of the form in the body; none where the body is no form.
    pub fn form(&self) -> &Pairs {
        self.form.get_or_init(|| Pairs::parse(&self.body).unwrap_or_default())
    }

    /// Whether the body can be read as a form.
    pub fn has_form(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            && Pairs::parse(&self.body).is_ok()
    }
}

/// Writes events to one listener until it is gone or the stop is wished: a blank line ends an
/// event, a flush sends it. The stop is the listener's own: it is stopped when the listener leaves.
pub type Events = Box<dyn FnOnce(&mut dyn Write, &Stop) -> io::Result<()> + Send>;

/// What a response carries.
pub enum Body {
    /// Bytes that are at hand.
    Bytes(Cow<'static, [u8]>),
    /// A stream of events.
    Events(Events),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) => write!(f, "Bytes({})", String::from_utf8_lossy(bytes)),
            Body::Events(_) => f.write_str("Events"),
        }
    }
}

/// How long a browser may keep a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Not at all.
    Nothing,
    /// For good: its address changes with its bytes.
    Always,
}

/// One response.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What it carries.
    pub body: Body,
    /// How long a browser may keep it.
    pub keep: Keep,
    fields: Vec<(&'static str, String)>,
}

impl Response {
    /// A response of bytes of a kind.
    pub fn new(status: u16, kind: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Response {
        let body = Body::Bytes(bytes.into());
        let response = Response { status, body, keep: Keep::Nothing, fields: Vec::new() };
        response.with("content-type", kind)
    }

    /// A page.
    pub fn html(page: String) -> Response {
        Response::new(200, "text/html; charset=utf-8", page.into_bytes())
    }

    /// Plain text.
    pub fn text(text: String) -> Response {
        Response::new(200, "text/plain; charset=utf-8", text.into_bytes())
    }

    /// A part of the program under an address that changes with its bytes.
    pub fn asset(kind: &str, bytes: &'static [u8]) -> Response {
        Response { keep: Keep::Always, ..Response::new(200, kind, bytes) }
    }

    /// Bytes that a browser saves under a name instead of showing them.
    pub fn download(kind: &str, name: &str, bytes: Vec<u8>) -> Response {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let how = format!("attachment; filename=\"{name}\"");
        Response::new(200, kind, bytes).with("content-disposition", &how)
    }

    /// A stream of events.
    pub fn events(
        write: impl FnOnce(&mut dyn Write, &Stop) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let empty: &'static [u8] = b"";
        let response = Response::new(200, "text/event-stream", empty);
        Response { body: Body::Events(Box::new(write)), ..response }
    }

    /// Leads to a path of this host with a GET (303); to `/` where the text is no such path.
    pub fn redirect(to: &str) -> Response {
        let own = to.starts_with('/') && !to[1..].starts_with(['/', '\\']);
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\');
        let to = target::encode(if own { to } else { "/" }, plain);
        Response::plain(303).with("location", &to)
    }

    /// The request can't be read (400).
    pub fn bad_request() -> Response {
        Response::plain(400)
    }

    /// Whoever asks may not (403).
    pub fn forbidden() -> Response {
        Response::plain(403)
    }

    /// Nothing is here (404).
    pub fn not_found() -> Response {
        Response::plain(404)
    }

    /// Something is here, but not for this method (405).
    pub fn wrong_method(allowed: &str) -> Response {
        Response::plain(405).with("allow", allowed)
    }

    /// Too much was asked for, in too short a time (429).
    pub fn too_many(wait: Duration) -> Response {
        Response::plain(429).with("retry-after", &wait.as_secs().max(1).to_string())
    }

    /// A status and its name as text; the pages of a person are made elsewhere.
    pub fn plain(status: u16) -> Response {
        let text = format!("{status} {}\n", reason(status));
        Response { status, ..Response::text(text) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Response {
        Response { status, ..self }
    }

    /// With one more header field. What is not a visible ASCII character or a space is written as
    /// `_`: no text can end the line.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Response {
        let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '_' };
        self.fields.push((name, value.chars().map(shown).collect()));
        self
    }

    /// Sets a cookie of ours; `age` as in [`cookie::cookie`].
    #[must_use]
    pub fn with_cookie(
        self,
        request: &Request,
        name: &str,
        value: &str,
        age: Option<Duration>,
    ) -> Response {
        self.with("set-cookie", &cookie::cookie(name, value, age, request.secure))
    }

    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All header fields.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The head as it is sent, with the length of the body where it is known.
    pub fn head(&self, length: Option<usize>) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in self.headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        head.into_bytes()
    }

    /// The bytes of the body; none of a stream.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Events(_) => &[],
        }
    }
}

/// Whoever answers requests.
pub trait Handler: Send + Sync {
    /// The response to a request.
    fn answer(&self, request: &Request) -> Response;
}

impl<F: Fn(&Request) -> Response + Send + Sync> Handler for F {
    fn answer(&self, request: &Request) -> Response {
        self(request)
    }
}

/// The name of a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Other",
    }
}
