//! Small questions to those who give keys: one request, one short answer.
//!
//! Does not know what is asked. An answer may hold a key, so that its text is a secret, and no
//! error repeats it.

use http::{Method, Request};

use crate::base::{Secret, Stop};
use crate::store::wire::refusal::Refusal;
use crate::world::Agents;

/// Longest answer, in bytes.
const LONGEST: u64 = 256 << 10;

/// An answer.
pub struct Fetched {
    /// Its status.
    pub status: u16,
    /// Its text.
    pub text: Secret,
}

/// Asks once; the body of a `GET` is not sent.
pub fn fetch(agents: &Agents, request: Request<String>, stop: &Stop) -> Result<Fetched, Refusal> {
    stop.check()?;
    let line = agents.take(stop);
    let answer = match *request.method() {
        Method::GET => line.run(request.map(drop)),
        _ => line.run(request),
    };
    let broken = |e| stop.check().err().map_or_else(|| Refusal::broken(e), Refusal::from);
    let mut answer = answer.map_err(broken)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(broken)?;
    Ok(Fetched { status, text: Secret::new(String::from_utf8(body).unwrap_or_default()) })
}

/// Whether such a status may be another one later.
pub fn is_passing(status: u16) -> bool {
    (status >= 500 && status != 501) || matches!(status, 408 | 429)
}
