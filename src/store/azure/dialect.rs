//! Azure Blob Storage as requests see it: a version, a date, and a signature by the key of the
//! account, or one that was given (SAS).
//!
//! Does not send. A SAS is part of the address: it stands in no error and no log.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use ring::hmac;
use url::Url;

use crate::base::{Secret, Stop};
use crate::store::azure::address::Address;
use crate::store::azure::xml::{BlobPage, shown_name};
use crate::store::contract::ErrorKind;
use crate::store::wire::body::document;
use crate::store::wire::call::{Call, header};
use crate::store::wire::dialect::{Ask, Dialect};
use crate::store::wire::refusal::Refusal;

/// The version of the service that is spoken.
const VERSION: &str = "2021-12-02";

/// Headers whose values stand in a signature in this order, after the method.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Whose requests they are.
pub enum Right {
    /// Whoever has the key of the account.
    Key(hmac::Key),
    /// Whoever has a shared access signature: a query without its `?`.
    Sas(Secret),
}

impl Right {
    /// By the key of an account, as the portal shows it.
    pub fn key(text: &Secret) -> Result<Right, String> {
        let bytes = BASE64_STANDARD.decode(text.reveal().trim());
        let bytes = bytes.map_err(|_| "the key of the account is not base64".to_owned())?;
        Ok(Right::Key(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// By a shared access signature, as the portal shows it, with or without its `?`.
    pub fn sas(text: &Secret) -> Result<Right, String> {
        let sas = text.reveal().trim().trim_start_matches('?');
        let sound = !sas.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
        match sound && sas.split('&').any(|part| part.starts_with("sig=")) {
            true => Ok(Right::Sas(Secret::new(sas.to_owned()))),
            false => Err("the shared access signature has no `sig=`, or is more than one".into()),
        }
    }

    /// When a shared access signature ends, as far as it says so.
    pub fn ends(&self) -> Option<Timestamp> {
        let Right::Sas(sas) = self else { return None };
        let pairs = url::form_urlencoded::parse(sas.reveal().as_bytes());
        pairs.into_iter().find(|(name, _)| name == "se").and_then(|(_, end)| end.parse().ok())
    }
}

/// A container.
pub struct Container {
    /// Where it is.
    pub address: Address,
    /// The account.
    pub account: String,
    /// Whose requests they are.
    pub right: Right,
}

impl Dialect for Container {
    fn url(&self, key: Option<&str>, query: &[(&'static str, String)]) -> String {
        let mut url = self.address.url(key, query);
        if let Right::Sas(sas) = &self.right {
            url.push(if query.is_empty() { '?' } else { '&' });
            url.push_str(sas.reveal());
        }
        url
    }

    fn host(&self) -> &str {
        &self.address.host
    }

    fn is_plain(&self) -> bool {
        self.address.is_plain
    }

    fn sign(
        &self,
        call: &Call<'_>,
        url: &Url,
        headers: &mut HeaderMap,
        _hashed: bool,
        now: Timestamp,
        _stop: &Stop,
    ) -> Result<(), Refusal> {
        headers.insert("x-ms-version", HeaderValue::from_static(VERSION));
        if matches!(call.method, Method::PUT) && !headers.contains_key("content-type") {
            let kind = HeaderValue::from_static("application/octet-stream");
            headers.insert("content-type", kind);
        }
        let Right::Key(key) = &self.right else { return Ok(()) };
        let bad = |e: &dyn std::fmt::Display| {
            Refusal::new(ErrorKind::Failed, format!("the request has no form: {e}"))
        };
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        headers.insert("x-ms-date", HeaderValue::try_from(date).map_err(|e| bad(&e))?);
        let text = signed_text(call.method.as_str(), &self.account, url, headers);
        let signature = BASE64_STANDARD.encode(hmac::sign(key, text.as_bytes()));
        let value = format!("SharedKey {}:{signature}", self.account);
        let mut value = HeaderValue::try_from(value).map_err(|e| bad(&e))?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
        Ok(())
    }

    fn listed(&self, ask: &Ask<'_>, key: &str) -> Result<Option<u64>, Refusal> {
        // A page may be empty and have a next one.
        let mut marker = None;
        for _ in 0..PAGES {
            let page: BlobPage =
                document(&ask(&listing(key, marker.as_deref()))?, "the listing makes no sense")?;
            let named = page.blobs.blob.iter().find(|blob| shown_name(&blob.name) == key);
            match (named, page.next()) {
                (Some(blob), _) => return Ok(Some(blob.properties.bytes)),
                (None, Some(next)) if page.blobs.blob.is_empty() => marker = Some(next),
                // The key itself, as the shortest, is first.
                (None, _) => return Ok(None),
            }
        }
        Err(Refusal::garbled("the listing makes no sense: it has no end"))
    }
}

/// How many pages in a row may bring nothing.
pub const PAGES: usize = 100;

/// The question for a page of a listing.
pub fn listing(under: &str, marker: Option<&str>) -> Call<'static> {
    let mut call = Call::new(Method::GET, None);
    call.query = vec![
        ("comp", "list".into()),
        ("prefix", under.to_owned()),
        ("restype", "container".into()),
    ];
    call.query.extend(marker.map(|marker| ("marker", marker.to_owned())));
    call
}

/// What the signature of a request is made of.
fn signed_text(method: &str, account: &str, url: &Url, headers: &HeaderMap) -> String {
    let mut text = format!("{method}\n");
    for name in SIGNED {
        let value = header(headers, name).unwrap_or_default();
        // A body without bytes has no length to the service.
        let empty = name == "content-length" && value == "0";
        text.push_str(if empty { "" } else { &value });
        text.push('\n');
    }
    let mut own: Vec<_> =
        headers.iter().filter(|(name, _)| name.as_str().starts_with("x-ms-")).collect();
    own.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in own {
        text.push_str(&format!("{name}:{}\n", value.to_str().unwrap_or_default().trim()));
    }
    text.push_str(&format!("/{account}{}", url.path()));
    let mut query: Vec<_> = url.query_pairs().collect();
    query.sort();
    for (name, value) in query {
        text.push_str(&format!("\n{}:{value}", name.to_lowercase()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Authorize with Shared Key" in the reference of the service.
    #[test]
    fn what_is_signed_is_what_the_service_signs() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"),
            ("x-ms-version", "2015-02-21"),
            ("host", "myaccount.blob.core.windows.net"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let url = "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20";
        let text = signed_text("GET", "myaccount", &Url::parse(url).expect("a URL"), &headers);
        let expected = "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n\
                        x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\n\
                        restype:container\ntimeout:20";
        assert_eq!(text, expected);
        headers.insert("content-length", HeaderValue::from_static("0"));
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers.insert("range", HeaderValue::from_static("bytes=0-4"));
        let url = "http://127.0.0.1:10000/dev/box/a%20b?blockid=QQ%3D%3D";
        let text = signed_text("PUT", "dev", &Url::parse(url).expect("a URL"), &headers);
        let expected = "PUT\n\n\n\n\ntext/plain\n\n\n\n\n\nbytes=0-4\n\
                        x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
                        /dev/dev/box/a%20b\nblockid:QQ==";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_signature_that_was_given_says_when_it_ends_and_what_it_lacks() {
        let sas = |text: &str| Right::sas(&Secret::new(text.to_owned()));
        let right = sas("?sv=2021&se=2026-03-04T05%3A06%3A07Z&sig=CANARY%3D")
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(right.ends(), "2026-03-04T05:06:07Z".parse().ok());
        for bad in ["", "sv=2021", "sig=a b", "sig=a#b"] {
            let found = sas(bad).err().expect("refused");
            assert!(found.contains("sig="), "{found}");
        }
        assert!(
            Right::key(&Secret::new("CANARY!".into())).err().is_some_and(|e| !e.contains("CANARY"))
        );
    }
}
