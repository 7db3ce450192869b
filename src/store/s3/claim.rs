//! A key that is claimed before an upload of parts, where such uploads know no conditions.
//!
//! The claim is a small object that holds the name of the upload, written under the condition that
//! nothing is there; the upload is put together over it. Invariants: nobody's object is written
//! over, because whoever writes claims first; a claim is removed only while it is ours.

use http::Method;

use crate::base::Stop;
use crate::store::contract::Result;
use crate::store::s3::flavor::Flavor;
use crate::store::wire::ask::Wire;
use crate::store::wire::call::{Answer, Call, header};
use crate::store::wire::commit::put;
use crate::store::wire::read::read_small;

/// A key that is claimed for the upload `id`.
pub struct Claim<'a> {
    /// The way to the bucket.
    pub wire: &'a Wire,
    /// The key.
    pub key: &'a str,
    /// The name of the upload.
    pub id: &'a str,
}

impl Claim<'_> {
    /// Claims it; `Exists` if it is taken.
    pub fn make(&self, flavor: Flavor, doing: &str, stop: &Stop) -> Result<()> {
        let mut call = Call::new(Method::PUT, Some(self.key));
        call.checksum = Some(flavor.checksum(self.id.as_bytes()));
        call.fresh = true;
        call.body = self.id.as_bytes();
        put(self.wire, doing, &call, &|_| Ok(()), stop)
    }

    /// Whether what stands there, of `bytes` bytes, is this claim and nothing more.
    pub fn stands(&self, bytes: u64, stop: &Stop) -> bool {
        let most = self.id.len() as u64;
        let there = || read_small(self.wire, self.key, most, stop);
        bytes == most && there().is_ok_and(|text| text == self.id.as_bytes())
    }

    /// Takes it back, unless something else stands there by now.
    pub fn release(&self, stop: &Stop) {
        let told = |answer: Answer| {
            let length = header(&answer.headers, "content-length").and_then(|v| v.parse().ok());
            Ok((length, header(&answer.headers, "x-goog-generation")))
        };
        let asked = self.wire.ask_for(&Call::new(Method::HEAD, Some(self.key)), &told, stop);
        let Ok((Some(bytes), Some(generation))) = asked else { return };
        if self.stands(bytes, stop) {
            let mut call = Call::new(Method::DELETE, Some(self.key));
            call.headers.push(("x-goog-if-generation-match", generation));
            // What stays is swept with the upload's container.
            drop(self.wire.ask(&call, stop));
        }
    }
}
