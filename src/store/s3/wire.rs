//! One request and its answer, and the loop that asks again.
//!
//! Does not know what a request is for. Invariants: every request is signed anew on every try; no
//! redirect is followed; a stop ends every wait, and an upload between two slices of its body.
//! There is no total time-out, only a stall one.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use ureq::{Body, SendBody};
use url::Url;

use crate::base::Stop;
use crate::job::S3Spec;
use crate::store::contract::{Error, ErrorKind};
use crate::store::s3::address::Address;
use crate::store::s3::call::{Answer, Call, Pace, header};
use crate::store::s3::credentials::Credentials;
use crate::store::s3::refusal::{Extra, Extras, Refusal, status_of};
use crate::store::s3::sign::{self, Signer};
use crate::store::s3::xml::{self, Document, ErrorBody};
use crate::world::{Agents, Backoff, Clock, Entropy, Lent, Trust, World, agents};

/// Longest answer that is not an object, in bytes; a page of 1000 long keys stays below.
const LONGEST_ANSWER: u64 = 16 << 20;

/// The way to one bucket.
pub struct Wire {
    agents: Agents,
    address: Address,
    credentials: Credentials,
    signer: Signer,
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
    /// Opens the way; sends nothing.
    pub fn open(spec: &S3Spec, world: &World, pace: Pace, stop: &Stop) -> Result<Wire, Error> {
        let place = match spec.endpoint.as_deref().and_then(|e| Url::parse(e).ok()) {
            Some(url) => format!("s3://{} at {}", spec.bucket, url.host_str().unwrap_or_default()),
            None => format!("s3://{}", spec.bucket),
        };
        let failed = |kind, found: String| Error::new(kind, format!("open {place}"), found);
        let address = Address::new(spec).map_err(|e| failed(ErrorKind::Failed, e))?;
        let credentials =
            Credentials::open(spec, stop).map_err(|e| failed(ErrorKind::Denied, e))?;
        let trust = match &spec.ca {
            Some(path) => Trust::File(path),
            None if address.is_plain() => Trust::Listed,
            None => Trust::Machine,
        };
        let agents =
            agents(trust, pace.stall).map_err(|e| failed(ErrorKind::Failed, e.to_string()))?;
        let label = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let class = label("x-amz-storage-class", &spec.storage_class);
        let sse = label("x-amz-server-side-encryption", &spec.sse);
        Ok(Wire {
            agents,
            address,
            credentials,
            signer: Signer::new(&spec.region),
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
            pace,
            place,
            labels: class.into_iter().chain(sse).collect(),
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
        let mut backoff = self.backoff();
        loop {
            let refusal = match self.once(call, stop).and_then(take) {
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
        let request = self.request(call)?;
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
        let told: ErrorBody = xml::parse(&bytes).unwrap_or_default();
        let mut refusal = Refusal::answered(parts.status.as_u16(), &parts.headers, &told);
        refusal.adapted = self.adapt(&refusal, &bytes, sent);
        Err(if call.method == Method::HEAD { refusal } else { refusal.wordless() })
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

    fn request(&self, call: &Call<'_>) -> Result<Request<()>, Refusal> {
        let bad = |e: &dyn std::fmt::Display| {
            Refusal::new(ErrorKind::Failed, format!("the request has no form: {e}"))
        };
        let now = self.clock.now();
        let url = self.address.url(call.key, &call.query);
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::try_from(value).map_err(|e| bad(&e))?;
            headers.insert(HeaderName::from_static(name), value);
            Ok::<(), Refusal>(())
        };
        set("host", self.address.host())?;
        for (name, value) in &call.headers {
            set(name, value)?;
        }
        if let Some((name, value)) = call.checksum.as_ref().filter(|_| self.checksums()) {
            set(name, value)?;
        }
        if call.fresh && self.conditions() {
            set("if-none-match", "*")?;
        }
        if has_body(&call.method) {
            set("content-length", &call.body.len().to_string())?;
        }
        let keys = self.credentials.current(now).map_err(|e| Refusal::new(ErrorKind::Denied, e))?;
        let payload = sign::payload(self.signs_body(&call.method), call.body);
        let parsed = Url::parse(&url).map_err(|e| bad(&e))?;
        let signed =
            self.signer.sign(&keys, (call.method.as_str(), &parsed), &mut headers, &payload, now);
        signed.map_err(|e| bad(&e))?;
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
        self.address.is_plain() || self.no_unsigned.load(Ordering::Relaxed) || !has_body(method)
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

/// Checks that a body is one of the service, with the bytes as it sent them: it never sends a page
/// for people, and never encodes.
fn untouched(headers: &HeaderMap) -> Result<(), Refusal> {
    // Some services call an answer without a body such a page.
    let empty = header(headers, "content-length").is_some_and(|length| length.trim() == "0");
    if is_page(headers) && !empty {
        return Err(Refusal::garbled("something on the way answered with a page for people"));
    }
    match header(headers, "content-encoding").filter(|encoding| is_encoded(encoding)) {
        Some(encoding) => {
            let encoding = encoding.escape_default();
            let found = format!("something on the way encoded the answer ({encoding})");
            Err(Refusal::garbled(found))
        }
        None => Ok(()),
    }
}

/// Whether an answer calls itself a page for people.
pub fn is_page(headers: &HeaderMap) -> bool {
    let kind = header(headers, "content-type").unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Whether such a `Content-Encoding` changes the bytes. Some services repeat how an object came to
/// them, which does not.
pub fn is_encoded(encoding: &str) -> bool {
    let plain = |part: &str| matches!(part.trim(), "" | "identity" | "aws-chunked");
    !encoding.to_ascii_lowercase().split(',').all(plain)
}

/// The document of an answer; an `<Error>` with status 200 is the refusal that it says. `senseless`
/// is what an answer is that is neither.
pub fn document<T: Document>(answer: &Answer, senseless: &str) -> Result<T, Refusal> {
    xml::parse(&answer.body).map_err(|e| match xml::parse::<ErrorBody>(&answer.body) {
        Ok(told) if !told.code.is_empty() => {
            Refusal::answered(status_of(&told.code), &answer.headers, &told)
        }
        Ok(_) | Err(_) => Refusal::garbled(format!("{senseless}: {e}")),
    })
}

/// Which bytes of a body are wanted: not the first `skip`, but the next `take`. No more than one
/// byte past `most` is looked at.
pub struct Part {
    /// Bytes that are passed over.
    pub skip: u64,
    /// Bytes that are wanted.
    pub take: u64,
    /// Bytes that the body may have.
    pub most: u64,
}

/// Reads a part of a body; what came before an error stays in `into`. Returns how many bytes passed:
/// more than `most` if the body is longer.
pub fn read_part(body: Body, part: &Part, into: &mut Vec<u8>, stop: &Stop) -> Result<u64, Refusal> {
    let mut reader = body.into_with_config().limit(u64::MAX).reader();
    let mut slice = vec![0; 64 << 10];
    let mut passed = 0;
    while passed <= part.most {
        stop.check()?;
        let room = (part.most - passed).saturating_add(1).min(slice.len() as u64) as usize;
        let n = match reader.read(&mut slice[..room]) {
            Ok(n) => n,
            // All came; the read past the end gives the connection back, or does not.
            Err(_) if passed == part.most => 0,
            Err(e) => return Err(Refusal::broken(ureq::Error::Io(e))),
        };
        if n == 0 {
            break;
        }
        let within = |at: u64| at.saturating_sub(passed).min(n as u64) as usize;
        into.extend_from_slice(&slice[within(part.skip)..within(part.skip + part.take)]);
        passed += n as u64;
    }
    Ok(passed)
}

/// Reads a body to its end, `limit` bytes at most.
fn read_body(body: Body, limit: u64, into: &mut Vec<u8>, stop: &Stop) -> Result<(), Refusal> {
    match read_part(body, &Part { skip: 0, take: limit, most: limit }, into, stop)? {
        passed if passed > limit => Err(Refusal::garbled("the answer is longer than it may be")),
        _ => Ok(()),
    }
}

/// A body on its way out, which a stop ends.
struct Sending<'a> {
    rest: &'a [u8],
    stop: &'a Stop,
}

impl Read for Sending<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.is_stopped() {
            return Err(Stop::io_error());
        }
        self.rest.read(to)
    }
}
