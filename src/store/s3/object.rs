//! Two questions and answers that bucket and upload share: how large an object is, and that an
//! upload is gone.

use http::Method;

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::s3::call::Call;
use crate::store::s3::read::header;
use crate::store::s3::refusal::Refusal;
use crate::store::s3::wire::Wire;

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
