//! Small questions and their answers: how large an object is, what time it is.
//!
//! Knows no service.

use http::Method;
use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::store::contract::{ErrorKind, Result};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::{is_encoded, is_page};
use crate::store::wire::call::{Answer, Call, header};
use crate::store::wire::refusal::{Refusal, date};
use crate::store::wire::xml::moment;

/// A clock that is off by more is near the fifteen minutes at which services refuse.
const SKEW: i64 = 60;

/// The size of an object, `None` if there is none.
pub fn size(wire: &Wire, key: &str, stop: &Stop) -> Result<Option<u64>> {
    let length = |answer: Answer| {
        let text = |name: &str| header(&answer.headers, name);
        // What was encoded, or made, on the way has another length.
        let encoded = text("content-encoding").is_some_and(|e| is_encoded(&e));
        let own = !encoded && !is_page(&answer.headers);
        Ok(text("content-length").and_then(|v| v.trim().parse().ok()).filter(|_| own))
    };
    let asked = match wire.ask_for(&Call::new(Method::HEAD, Some(key)), &length, stop) {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => wire.patiently(&|| wire.listed(key, stop), stop),
        Err(refusal) if refusal.kind == ErrorKind::Missing => Ok(None),
        Err(refusal) => Err(refusal),
    };
    asked.map_err(|refusal| refusal.error(&format!("look for {key} in {}", wire.place)))
}

/// Now, by the service's clock, as it dates its answer to `call`. Asked every time: a moment that is remembered, and corrected by a
/// clock of this machine, is wrong after the machine slept.
pub fn now(wire: &Wire, call: &Call<'_>, stop: &Stop) -> std::result::Result<Timestamp, Refusal> {
    let told = |answer: Answer| date(&answer.headers).map_err(Refusal::garbled);
    match wire.ask_for(call, &told, stop) {
        // Who may list a prefix only, may not ask for the bucket; what the time is, is told anyway.
        Err(Refusal { status: 403 | 404 | 405 | 501, date: Some(date), .. }) => Ok(date),
        other => other,
    }
}

/// Whether the date of an answer is near `now`, which this machine had when it asked.
pub fn skew(date: &str, now: Timestamp) -> Option<Finding> {
    let there = moment(date)?;
    let seconds = there.as_second() - now.as_second();
    let advice =
        "Let NTP keep this machine's clock: services refuse requests that are 15 minutes off.";
    Some(Finding::judged(
        seconds.abs() <= SKEW,
        "clock",
        format!("{seconds:+} s against this machine"),
        advice,
    ))
}
