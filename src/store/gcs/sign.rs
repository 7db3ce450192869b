//! Signatures by an HMAC key in Google's words (GOOG4-HMAC-SHA256): headers of Amazon's and of
//! Google's do not mix in one request, and the condition on a write is one of Google's.
//!
//! Does not send.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use ring::hmac;
use s3::signing;
use sha2::{Digest, Sha256};
use url::Url;

use crate::base::Secret;
use crate::store::s3::canonical_request;

/// What a signature is for: any region.
const SCOPE: &str = "auto/storage/goog4_request";

/// Signs requests of one key.
pub struct Signer {
    access: String,
    secret: Secret,
}

impl Signer {
    /// Of an access key and its secret.
    pub fn new(access: String, secret: Secret) -> Signer {
        Signer { access, secret }
    }

    /// Adds the moment and the hash of the body, which is not signed when it is `None`; the value
    /// of `Authorization` is returned. Every header is signed.
    pub fn sign(
        &self,
        (method, url): (&str, &Url),
        headers: &mut HeaderMap,
        body: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<String, String> {
        let payload = body.map_or("UNSIGNED-PAYLOAD".to_owned(), |b| hex(&Sha256::digest(b)));
        let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        for (name, value) in [("x-goog-date", &moment), ("x-goog-content-sha256", &payload)] {
            headers.insert(name, HeaderValue::try_from(value).map_err(|e| e.to_string())?);
        }
        let request = canonical_request(method, url, headers, &payload);
        let request = request.map_err(|e| e.to_string())?;
        let scope = format!("{}/{SCOPE}", &moment[..8]);
        let hash = hex(&Sha256::digest(request.as_bytes()));
        let text = format!("GOOG4-HMAC-SHA256\n{moment}\n{scope}\n{hash}");
        let first = format!("GOOG4{}", self.secret.reveal());
        let words = scope.split('/');
        let key = words.fold(first.into_bytes(), |key, word| mac(&key, word));
        let signed = signing::signed_header_string(headers);
        Ok(format!(
            "GOOG4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            self.access,
            hex(&mac(&key, &text))
        ))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
