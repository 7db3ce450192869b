//! S3 as requests see it: its addresses, signatures and checksums.
//!
//! Does not send.

use http::HeaderMap;
use jiff::Timestamp;
use url::Url;

use crate::base::Stop;
use crate::store::contract::ErrorKind;
use crate::store::s3::address::Address;
use crate::store::s3::credentials::Credentials;
use crate::store::s3::object::{listed_size, listing};
use crate::store::s3::sign::{self, Signer};
use crate::store::wire::call::{Call, header};
use crate::store::wire::dialect::{Ask, Dialect};
use crate::store::wire::refusal::Refusal;

/// A bucket of S3, or of a service that speaks its protocol.
pub struct Amazon {
    /// Where it is.
    pub address: Address,
    /// Whose requests they are.
    pub credentials: Credentials,
    /// What signs them.
    pub signer: Signer,
}

impl Dialect for Amazon {
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
        let keys = self.credentials.current(now, stop)?;
        let payload = sign::payload(hashed, call.body);
        self.signer
            .sign(&keys, (call.method.as_str(), url), headers, &payload, now)
            .map_err(|e| Refusal::new(ErrorKind::Failed, format!("the request has no form: {e}")))
    }

    fn wish(&self) -> Option<(&'static str, &'static str)> {
        Some(("x-amz-checksum-mode", "ENABLED"))
    }

    /// Of an object put together from parts S3 keeps the checksum of the parts' checksums: not of
    /// the bytes.
    fn checksum(&self, headers: &HeaderMap) -> Option<String> {
        let composite = header(headers, "x-amz-checksum-type").is_some_and(|t| t == "COMPOSITE");
        header(headers, "x-amz-checksum-crc32c").filter(|c| !composite && !c.contains('-'))
    }

    fn listed(&self, ask: &Ask<'_>, key: &str) -> Result<Option<u64>, Refusal> {
        listed_size(&ask(&listing(key))?, key)
    }
}
