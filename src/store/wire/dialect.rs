//! What differs between services that are asked over HTTP: addresses, signatures, and a few words.
//!
//! Does not send. Invariant: the address that is signed is the address that is asked.

use http::HeaderMap;
use jiff::Timestamp;
use url::Url;

use crate::base::Stop;
use crate::store::wire::call::{Answer, Call};
use crate::store::wire::refusal::Refusal;

/// One service, as requests see it.
pub trait Dialect: Send + Sync {
    /// The address of an object, or of the bucket, with a query.
    fn url(&self, key: Option<&str>, query: &[(&'static str, String)]) -> String;

    /// The host as the `Host` header has it.
    fn host(&self) -> &str;

    /// Whether bytes travel unprotected.
    fn is_plain(&self) -> bool;

    /// Adds what makes a request ours; all headers that it has are signed, as far as the service
    /// does that. `hashed` if the signature is to cover the body.
    fn sign(
        &self,
        call: &Call<'_>,
        url: &Url,
        headers: &mut HeaderMap,
        hashed: bool,
        now: Timestamp,
        stop: &Stop,
    ) -> Result<(), Refusal>;

    /// The header of a write that must find no object there.
    fn condition(&self) -> (&'static str, &'static str) {
        ("if-none-match", "*")
    }

    /// The header that asks for the checksum of a whole object, where it takes one.
    fn wish(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The CRC32C, in base64, that an answer says the whole object has.
    fn checksum(&self, _headers: &HeaderMap) -> Option<String> {
        None
    }

    /// The size of an object by a listing, which no proxy makes up; `ask` asks once.
    fn listed(&self, ask: &Ask<'_>, key: &str) -> Result<Option<u64>, Refusal>;
}

/// Asks once.
pub type Ask<'a> = dyn Fn(&Call<'_>) -> Result<Answer, Refusal> + 'a;
