//! Google Cloud Storage as requests see it.
//!
//! Does not send, but for the token of a service account.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use url::Url;

use crate::base::Stop;
use crate::store::contract::ErrorKind;
use crate::store::gcs::sign::Signer;
use crate::store::gcs::token::Tokens;
use crate::store::s3::{Address, google_crc32c, listed_size, listing};
use crate::store::wire::call::Call;
use crate::store::wire::dialect::{Ask, Dialect};
use crate::store::wire::refusal::Refusal;

/// Whose requests they are.
pub enum Right {
    /// Whoever has an HMAC key.
    Hmac(Signer),
    /// A service account.
    Token(Box<Tokens>),
}

/// A bucket.
pub struct Google {
    /// Where it is.
    pub address: Address,
    /// Whose requests they are.
    pub right: Right,
}

impl Dialect for Google {
    fn url(&self, key: Option<&str>, query: &[(&'static str, String)]) -> String {
        self.address.url(key, query)
    }

    fn host(&self) -> &str {
        self.address.host()
    }

    fn is_plain(&self) -> bool {
        self.address.is_plain()
    }

    fn sign(
        &self,
        call: &Call<'_>,
        url: &Url,
        headers: &mut HeaderMap,
        hashed: bool,
        now: Timestamp,
        stop: &Stop,
    ) -> Result<(), Refusal> {
        let bad = |e: &dyn std::fmt::Display| {
            Refusal::new(ErrorKind::Failed, format!("the request has no form: {e}"))
        };
        let value = match &self.right {
            Right::Hmac(signer) => {
                let body = hashed.then_some(call.body);
                let signed = signer.sign((call.method.as_str(), url), headers, body, now);
                signed.map_err(|e| bad(&e))?
            }
            Right::Token(tokens) => format!("Bearer {}", tokens.current(now, stop)?.reveal()),
        };
        let mut value = HeaderValue::try_from(value).map_err(|e| bad(&e))?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
        Ok(())
    }

    fn condition(&self) -> (&'static str, &'static str) {
        ("x-goog-if-generation-match", "0")
    }

    /// Google keeps the CRC32C of every object, also of one put together from parts.
    fn checksum(&self, headers: &HeaderMap) -> Option<String> {
        google_crc32c(headers)
    }

    fn listed(&self, ask: &Ask<'_>, key: &str) -> Result<Option<u64>, Refusal> {
        listed_size(&ask(&listing(key))?, key)
    }
}
