//! Small questions and their answers: what an object has for a tag, how long a listing says that it
//! is, that an upload is gone.

use http::Method;

use crate::base::Stop;
use crate::store::s3::xml::{Entry, ObjectPage};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::document;
use crate::store::wire::call::{Answer, Call, header};
use crate::store::wire::refusal::Refusal;
use crate::store::wire::xml::decode;

/// The tag of what was just sent; whoever took it gave it one.
pub fn tag(answer: &Answer) -> Result<String, Refusal> {
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
pub fn listed_size(answer: &Answer, key: &str) -> Result<Option<u64>, Refusal> {
    let page: ObjectPage = document(answer, "the listing makes no sense")?;
    let named = |entry: &&Entry| decode(&entry.key, page.encoding_type.as_deref()) == key;
    Ok(page.contents.iter().find(named).map(|entry| entry.size))
}

/// Ends an upload; one that is gone already is fine.
pub fn abort(wire: &Wire, key: &str, id: &str, stop: &Stop) -> Result<(), Refusal> {
    let mut call = Call::new(Method::DELETE, Some(key));
    call.query.push(("uploadId", id.to_owned()));
    match wire.ask(&call, stop) {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.says(404) && refusal.code != "NoSuchBucket" => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
