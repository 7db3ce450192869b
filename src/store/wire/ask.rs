//! One request and its answer, and the loop that asks again.
//!
//! Does not know what a request is for, nor the service. Invariants: every request is signed anew on
//! every try; no redirect is followed; a stop ends every wait, and an upload between two slices of
//! its body. There is no total time-out, only a stall one.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use ureq::{Body, SendBody};
use url::Url;

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind};
use crate::store::wire::body::{Sending, read_body, untouched};
use crate::store::wire::call::{Answer, Call, Pace, header};
use crate::store::wire::dialect::Dialect;
use crate::store::wire::refusal::{Extra, Extras, Refusal};
use crate::store::wire::xml::{self, ErrorBody};
use crate::world::{Agents, Backoff, Clock, Entropy, Lent, Trust, World, agents};

/// Longest answer that is not an object, in bytes; a page of 1000 long keys stays below.
const LONGEST_ANSWER: u64 = 16 << 20;

/// The way to one bucket.
pub struct Wire {
    agents: Agents,
    /// How the service is addressed and asked.
    pub dialect: Box<dyn Dialect>,
    clock: Clock,
    entropy: Entropy,
    /// How patient it is.
    pub pace: Pace,
    /// What messages call the bucket.
    pub place: String,
    /// Headers of every object that is made.
    pub labels: Vec<(&'static str, String)>,
    no_checksums: AtomicBool,
    no_conditions: AtomicBool,
    no_unsigned: AtomicBool,
}

impl Wire {
    /// Opens the way to `place`; sends nothing. `ca` is a file of certificates to trust.
    pub fn open(
        dialect: Box<dyn Dialect>,
        place: String,
        ca: Option<&Path>,
        world: &World,
        pace: Pace,
    ) -> Result<Wire, Error> {
        let trust = match ca {
            Some(path) => Trust::File(path),
            None if dialect.is_plain() => Trust::Listed,
            None => Trust::Machine,
        };
        let failed = |found: String| Error::new(ErrorKind::Failed, format!("open {place}"), found);
        let agents = agents(trust, pace.stall).map_err(|e| failed(e.to_string()))?;
        Ok(Wire {
            agents,
            dialect,
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            pace,
            place,
            labels: Vec::new(),
            no_checksums: AtomicBool::new(false),
            no_conditions: AtomicBool::new(false),
            no_unsigned: AtomicBool::new(false),
        })
    }

    /// Asks until there is an answer, or no hope.
    pub fn ask(&self, call: &Call<'_>, stop: &Stop) -> Result<Answer, Refusal> {
        self.ask_for(call, &Ok, stop)
    }

    /// Asks until there is an answer that `take` can read, or no hope.
    pub fn ask_for<T>(
        &self,
        call: &Call<'_>,
        take: &dyn Fn(Answer) -> Result<T, Refusal>,
        stop: &Stop,
    ) -> Result<T, Refusal> {
        self.patiently(&|| self.once(call, stop).and_then(take), stop)
    }

    /// Does something until it succeeds, or there is no hope.
    pub fn patiently<T>(
        &self,
        ask: &dyn Fn() -> Result<T, Refusal>,
        stop: &Stop,
    ) -> Result<T, Refusal> {
        let mut backoff = self.backoff();
        loop {
            let refusal = match ask() {
                Ok(taken) => return Ok(taken),
                Err(refusal) if refusal.adapted => continue,
                Err(refusal) => refusal,
            };
            if !refusal.again || !self.wait(&mut backoff, &refusal, stop)? {
                return Err(refusal.after(backoff.history()));
            }
        }
    }

    /// Asks once, and reads all of the answer.
    pub fn once(&self, call: &Call<'_>, stop: &Stop) -> Result<Answer, Refusal> {
        let (response, _line) = self.send(call, stop)?;
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        if call.method != Method::HEAD {
            read_body(body, LONGEST_ANSWER, &mut bytes, stop)?;
        }
        Ok(Answer { headers: parts.headers, body: bytes })
    }

    /// Asks once; the body of the answer is still to be read, as long as its line is held.
    pub fn send(
        &self,
        call: &Call<'_>,
        stop: &Stop,
    ) -> Result<(Response<Body>, Lent<'_>), Refusal> {
        stop.check()?;
        let request = self.request(call, stop)?;
        let sent = Extras {
            checksum: call.checksum.is_some() && self.checksums(),
            condition: call.fresh && self.conditions(),
            unsigned_body: !self.signs_body(&call.method),
        };
        let mut body = Sending { rest: call.body, stop };
        let line = self.agents.take(stop);
        let response = match has_body(&call.method) {
            true => line.run(request.map(|()| SendBody::from_reader(&mut body))),
            false => line.run(request),
        };
        // What a stop hung up broke for no other reason.
        let response = response
            .map_err(|e| stop.check().err().map_or_else(|| Refusal::broken(e), Refusal::from))?;
        if response.status().is_success() {
            if call.method != Method::HEAD && response.status() != StatusCode::NO_CONTENT {
                untouched(response.headers())?;
            }
            return Ok((response, line));
        }
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        // A half body of an error is an error still: its status says enough.
        if call.method != Method::HEAD && read_body(body, LONGEST_ANSWER, &mut bytes, stop).is_err()
        {
            bytes.clear();
        }
        let mut told: ErrorBody = xml::parse(&bytes).unwrap_or_default();
        if told.code.is_empty() {
            // What an answer to HEAD can't say in a body.
            told.code = header(&parts.headers, "x-ms-error-code").unwrap_or_default();
        }
        let mut refusal = Refusal::answered(parts.status.as_u16(), &parts.headers, &told);
        refusal.adapted = self.adapt(&refusal, &bytes, sent);
        Err(if call.method == Method::HEAD { refusal } else { refusal.wordless() })
    }

    /// The size of an object by the listing of the service; asked once.
    pub fn listed(&self, key: &str, stop: &Stop) -> Result<Option<u64>, Refusal> {
        self.dialect.listed(&|call| self.once(call, stop), key)
    }

    /// A fresh count of tries.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.pace.tries, self.pace.first, self.pace.longest)
    }

    /// Waits before the next try, at least as long as the server asked; `false` when there is none
    /// left.
    pub fn wait(
        &self,
        backoff: &mut Backoff,
        refusal: &Refusal,
        stop: &Stop,
    ) -> Result<bool, Refusal> {
        backoff.note(&refusal.found);
        if !backoff.wait(&self.entropy, stop)? {
            return Ok(false);
        }
        stop.sleep(refusal.wait)?;
        Ok(true)
    }

    /// Whether the service takes checksums, as far as is known.
    pub fn checksums(&self) -> bool {
        !self.no_checksums.load(Ordering::Relaxed)
    }

    /// Whether the service takes `If-None-Match`, as far as is known.
    pub fn conditions(&self) -> bool {
        !self.no_conditions.load(Ordering::Relaxed)
    }

    /// Now.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    fn request(&self, call: &Call<'_>, stop: &Stop) -> Result<Request<()>, Refusal> {
        let bad = |e: &dyn std::fmt::Display| {
            Refusal::new(ErrorKind::Failed, format!("the request has no form: {e}"))
        };
        let now = self.clock.now();
        let url = self.dialect.url(call.key, &call.query);
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::try_from(value).map_err(|e| bad(&e))?;
            headers.insert(HeaderName::from_static(name), value);
            Ok::<(), Refusal>(())
        };
        set("host", self.dialect.host())?;
        for (name, value) in &call.headers {
            set(name, value)?;
        }
        if let Some((name, value)) = call.checksum.as_ref().filter(|_| self.checksums()) {
            set(name, value)?;
        }
        if call.fresh && self.conditions() {
            let (name, value) = self.dialect.condition();
            set(name, value)?;
        }
        if has_body(&call.method) {
            set("content-length", &call.body.len().to_string())?;
        }
        let parsed = Url::parse(&url).map_err(|e| bad(&e))?;
        let hashed = self.signs_body(&call.method);
        self.dialect.sign(call, &parsed, &mut headers, hashed, now, stop)?;
        if matches!(call.method, Method::GET | Method::HEAD) {
            // Not signed: proxies change these, and may. The store is to answer, not a cache, and
            // with the bytes as they are.
            headers.insert("accept-encoding", HeaderValue::from_static("identity"));
            headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        }
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&url)
            .body(())
            .map_err(|e| bad(&e))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Whether the body is hashed and signed: where TLS does not protect it, the service insists,
    /// or there is none.
    fn signs_body(&self, method: &Method) -> bool {
        self.dialect.is_plain() || self.no_unsigned.load(Ordering::Relaxed) || !has_body(method)
    }

    /// Remembers what this service does not know, if that is why it refused what was `sent`.
    fn adapt(&self, refusal: &Refusal, body: &[u8], sent: Extras) -> bool {
        let unknown = match refusal.unknown(&String::from_utf8_lossy(body), sent) {
            None => return false,
            Some(Extra::Checksum) => &self.no_checksums,
            Some(Extra::Condition) => &self.no_conditions,
            Some(Extra::UnsignedBody) => &self.no_unsigned,
        };
        unknown.store(true, Ordering::Relaxed);
        true
    }
}

fn has_body(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::POST)
}
