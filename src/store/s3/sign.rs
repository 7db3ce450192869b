//! Signature Version 4: rust-s3 makes the texts, the last HMAC is ours.
//!
//! Does not send. The key of a day is kept, so that a request costs one HMAC instead of five. Over
//! TLS a body is declared `UNSIGNED-PAYLOAD` (TLS and the CRC protect it); over plain HTTP its
//! SHA-256 is signed.

use std::sync::Mutex;

use hmac::Mac;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use s3::Region;
use s3::error::S3Error;
use s3::signing;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;
use zeroize::Zeroizing;

use crate::store::s3::keys::Keys;

/// Signs requests for one region.
pub struct Signer {
    region: Region,
    /// Guards the key of the day.
    key: Mutex<Option<DayKey>>,
}

struct DayKey {
    day: i64,
    access: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl Signer {
    /// A signer for `region`.
    pub fn new(region: &str) -> Signer {
        let region = Region::Custom { region: region.to_owned(), endpoint: String::new() };
        Signer { region, key: Mutex::new(None) }
    }

    /// Adds what makes the request `keys`' own. Every header in `headers` is signed; `payload` is
    /// what [`payload`] said.
    pub fn sign(
        &self,
        keys: &Keys,
        (method, url): (&str, &Url),
        headers: &mut HeaderMap,
        payload: &str,
        now: Timestamp,
    ) -> Result<(), S3Error> {
        let moment = OffsetDateTime::from_unix_timestamp(now.as_second())
            .expect("BUG: a moment past the year 9999");
        headers.insert(
            "x-amz-date",
            HeaderValue::try_from(now.strftime("%Y%m%dT%H%M%SZ").to_string())?,
        );
        headers.insert("x-amz-content-sha256", HeaderValue::try_from(payload)?);
        if let Some(token) = &keys.token {
            let mut token = HeaderValue::try_from(token.reveal())?;
            token.set_sensitive(true);
            headers.insert("x-amz-security-token", token);
        }
        let request = canonical_request(method, url, headers, payload)?;
        let text = signing::string_to_sign(&moment, &self.region, &request)?;
        let signature = hex(&self.hmac(keys, &moment, now, text.as_bytes())?);
        let signed = signing::signed_header_string(headers);
        let value = signing::authorization_header(
            &keys.access,
            &moment,
            &self.region,
            &signed,
            &signature,
        )?;
        let mut value = HeaderValue::try_from(value)?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
        Ok(())
    }

    fn hmac(
        &self,
        keys: &Keys,
        moment: &OffsetDateTime,
        now: Timestamp,
        text: &[u8],
    ) -> Result<Vec<u8>, S3Error> {
        let day = now.as_second().div_euclid(86_400);
        let mut kept = self.key.lock().expect("no panic while locked");
        let fits = |k: &DayKey| k.day == day && k.access == keys.access;
        let key = match kept.take().filter(fits) {
            Some(key) => kept.insert(key),
            None => {
                let bytes = signing::signing_key(moment, keys.secret.reveal(), &self.region, "s3")?;
                kept.insert(DayKey {
                    day,
                    access: keys.access.clone(),
                    bytes: Zeroizing::new(bytes),
                })
            }
        };
        let mut hmac = signing::HmacSha256::new_from_slice(&key.bytes)?;
        hmac.update(text);
        Ok(hmac.finalize().into_bytes().to_vec())
    }
}

/// What is signed of a request. Headers stand by their names alone: rust-s3 sorts whole lines, and
/// puts a name that goes on with `-` before the shorter one.
pub fn canonical_request(
    method: &str,
    url: &Url,
    headers: &HeaderMap,
    payload: &str,
) -> Result<String, S3Error> {
    let mut lines = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        lines.push((name.as_str(), value.to_str()?.trim()));
    }
    lines.sort();
    let lines: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    Ok(format!(
        "{method}\n{}\n{}\n{lines}\n{}\n{payload}",
        signing::canonical_uri_string(url),
        signing::canonical_query_string(url),
        signing::signed_header_string(headers)
    ))
}

/// What is signed of a body.
pub fn payload(plain: bool, body: &[u8]) -> String {
    match plain {
        true => hex(&Sha256::digest(body)),
        false => "UNSIGNED-PAYLOAD".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    /// The first example of "Signature Calculations for the Authorization Header" in the S3 API
    /// reference.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let keys = Keys {
            access: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            token: None,
            expires: None,
        };
        let url =
            Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").expect("an address");
        let now: Timestamp = "2013-05-24T00:00:00Z".parse().expect("a moment");
        let signer = Signer::new("us-east-1");
        for _ in 0..2 {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
            headers.insert("range", HeaderValue::from_static("bytes=0-9"));
            signer
                .sign(&keys, ("GET", &url), &mut headers, &payload(true, b""), now)
                .expect("signed");
            let value = headers["authorization"].to_str().expect("text");
            let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
            assert!(value.ends_with(expected), "{value}");
            assert!(
                !format!("{headers:?}").contains(expected),
                "a signature is not shown by debug"
            );
        }
    }
}
