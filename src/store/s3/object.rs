//! Small questions and their answers: how large an object is, that an upload is gone, what time it
//! is.

use http::Method;
use jiff::Timestamp;

use crate::base::Stop;
use crate::store::contract::{ErrorKind, Result};
use crate::store::s3::call::{Answer, Call, header};
use crate::store::s3::refusal::{Refusal, date};
use crate::store::s3::wire::{Wire, document, is_encoded, is_page};
use crate::store::s3::xml::{self, Entry, ObjectPage};

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
        Ok(None) => wire.ask_for(&listing(key), &|answer| listed_size(&answer, key), stop),
        Err(refusal) if refusal.kind == ErrorKind::Missing => Ok(None),
        Err(refusal) => Err(refusal),
    };
    asked.map_err(|refusal| refusal.error(&format!("look for {key} in {}", wire.place)))
}

/// The tag of what was just sent; whoever took it gave it one.
pub fn tag(answer: &Answer) -> std::result::Result<String, Refusal> {
    let tag = header(&answer.headers, "etag").filter(|tag| !tag.is_empty());
    tag.ok_or_else(|| Refusal::garbled("an answer without a tag"))
}

/// The question for the listing of one object: no proxy makes such an answer.
pub fn listing(key: &str) -> Call<'static> {
    let mut call = Call::new(Method::GET, None);
    call.query = vec![
        ("encoding-type", "url".into()),
        ("list-type", "2".into()),
        ("max-keys", "1".into()),
        ("prefix", key.to_owned()),
    ];
    call
}

/// The size of an object by the answer to [`listing`], in which its key, as the shortest, is first.
pub fn listed_size(answer: &Answer, key: &str) -> std::result::Result<Option<u64>, Refusal> {
    let page: ObjectPage = document(answer, "the listing makes no sense")?;
    let named = |entry: &&Entry| xml::decode(&entry.key, page.encoding_type.as_deref()) == key;
    Ok(page.contents.iter().find(named).map(|entry| entry.size))
}

/// Now, by the service's clock. Asked every time: a moment that is remembered, and corrected by a
/// clock of this machine, is wrong after the machine slept.
pub fn now(wire: &Wire, stop: &Stop) -> std::result::Result<Timestamp, Refusal> {
    let told = |answer: Answer| date(&answer.headers).map_err(Refusal::garbled);
    match wire.ask_for(&Call::new(Method::HEAD, None), &told, stop) {
        // Who may list a prefix only, may not ask for the bucket; what the time is, is told anyway.
        Err(Refusal { status: 403 | 404 | 405 | 501, date: Some(date), .. }) => Ok(date),
        other => other,
    }
}

/// Ends an upload; one that is gone already is fine.
pub fn abort(wire: &Wire, key: &str, id: &str, stop: &Stop) -> std::result::Result<(), Refusal> {
    let mut call = Call::new(Method::DELETE, Some(key));
    call.query.push(("uploadId", id.to_owned()));
    match wire.ask(&call, stop) {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.says(404) && refusal.code != "NoSuchBucket" => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
