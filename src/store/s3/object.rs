//! Small questions and their answers: how large an object is, that an upload is gone, what time it
//! is.

use http::Method;
use jiff::Timestamp;

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::s3::call::{Answer, Call};
use crate::store::s3::read::header;
use crate::store::s3::refusal::Refusal;
use crate::store::s3::wire::Wire;
use crate::store::s3::xml;

/// The size of an object, `None` if there is none.
pub fn size(wire: &Wire, key: &str, stop: &Stop) -> Result<Option<u64>> {
    let doing = || format!("look for {key} in {}", wire.place);
    match wire.ask(&Call::new(Method::HEAD, Some(key)), stop) {
        Ok(answer) => {
            match header(&answer.headers, "content-length").and_then(|v| v.parse().ok()) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(Error::new(ErrorKind::Damaged, doing(), "the answer has no length")),
            }
        }
        Err(refusal) if refusal.kind == ErrorKind::Missing => Ok(None),
        Err(refusal) => Err(refusal.error(&doing())),
    }
}

/// Now, by the service's clock. Asked every time: a moment that is remembered, and corrected by a
/// clock of this machine, is wrong after the machine slept.
pub fn now(wire: &Wire, stop: &Stop) -> std::result::Result<Timestamp, Refusal> {
    let told = |answer: Answer| {
        let text = |name: &str| header(&answer.headers, name);
        if text("age").is_some_and(|age| age.trim() != "0") {
            return Err(Refusal::garbled("the answer is an old one, out of a cache"));
        }
        let date = text("date").as_deref().and_then(xml::moment);
        date.ok_or_else(|| Refusal::garbled("the answer has no date"))
    };
    wire.ask_for(&Call::new(Method::HEAD, None), &told, stop)
}

/// Ends an upload; one that is gone already is fine.
pub fn abort(wire: &Wire, key: &str, id: &str, stop: &Stop) -> std::result::Result<(), Refusal> {
    let mut call = Call::new(Method::DELETE, Some(key));
    call.query.push(("uploadId", id.to_owned()));
    match wire.ask(&call, stop) {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.status == 404 && refusal.code != "NoSuchBucket" => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
