//! Why a request did not succeed, and what follows from it: try again, look, or give up.
//!
//! Does not know what was being done; whoever asked adds that. Invariant: what is told is the
//! status, the code and the message of the service, cut short; never a header of ours, never a line
//! with a signature.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

use crate::base::{Stopped, Tries};
use crate::store::contract::{Error, ErrorKind};
use crate::store::wire::xml::{ErrorBody, moment};

/// Longest wait a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longest message of a server that is repeated, in characters.
const LONGEST_MESSAGE: usize = 300;

/// What a service of another maker may not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// Headers about checksums.
    Checksum,
    /// `If-None-Match`.
    Condition,
    /// A body that is not signed.
    UnsignedBody,
}

/// Which extras a request had.
#[derive(Debug, Clone, Copy)]
pub struct Extras {
    /// Headers about checksums.
    pub checksum: bool,
    /// `If-None-Match`.
    pub condition: bool,
    /// A body that is not signed.
    pub unsigned_body: bool,
}

/// A request that did not succeed.
#[derive(Debug)]
pub struct Refusal {
    /// What it means to the contract.
    pub kind: ErrorKind,
    /// Status of the answer; 0 without one.
    pub status: u16,
    /// The service's own code, such as `SlowDown`.
    pub code: String,
    /// What was found.
    pub found: String,
    /// Whether the same request may work later.
    pub again: bool,
    /// Whether it may have been carried out all the same.
    pub unsure: bool,
    /// Whether the next try goes without a header that this service does not know.
    pub adapted: bool,
    /// How long the server asked to wait.
    pub wait: Duration,
    /// What was tried before.
    pub tries: Option<Box<Tries>>,
    /// When it was said, by the clock of the server; not out of a cache.
    pub date: Option<Timestamp>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal that will not change: nothing was sent, or the answer made no sense.
    pub fn new(kind: ErrorKind, found: impl Into<String>) -> Refusal {
        Refusal {
            kind,
            status: 0,
            code: String::new(),
            found: found.into(),
            again: false,
            unsure: false,
            adapted: false,
            wait: Duration::ZERO,
            tries: None,
            date: None,
            source: None,
        }
    }

    /// An answer that makes no sense: something on the way made or changed it. The request may have
    /// been carried out.
    pub fn garbled(found: impl Into<String>) -> Refusal {
        Refusal { again: true, unsure: true, ..Refusal::new(ErrorKind::Unreachable, found) }
    }

    /// What was sent came as something else, as the service says.
    pub fn spoilt(found: impl Into<String>) -> Refusal {
        Refusal { again: true, ..Refusal::new(ErrorKind::Damaged, found) }
    }

    /// Whether the service itself gave this status, with a code of its own.
    pub fn says(&self, status: u16) -> bool {
        self.status == status && !self.code.is_empty()
    }

    /// The same, for a method whose answers have a body: without a word of the service in it,
    /// something on the way answered, and neither denies nor knows the object.
    pub fn wordless(self) -> Refusal {
        if !self.code.is_empty() || !matches!(self.status, 404 | 409 | 412 | 416) {
            return self;
        }
        let found = format!("something on the way answered with status {}", self.status);
        Refusal { status: self.status, ..Refusal::garbled(found) }
    }

    /// No answer, or half of one.
    pub fn broken(error: ureq::Error) -> Refusal {
        let (kind, lasting) = match &error {
            ureq::Error::Io(e) if e.get_ref().is_some_and(|e| e.is::<Stopped>()) => {
                return Stopped.into();
            }
            ureq::Error::Io(e) if e.get_ref().is_some_and(|e| e.is::<rustls::Error>()) => {
                (ErrorKind::Failed, true)
            }
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => (ErrorKind::Failed, true),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => (ErrorKind::Failed, true),
            // The type is open to new variants; all are ways not to get an answer.
            _ => (ErrorKind::Unreachable, false),
        };
        let found = error.to_string();
        Refusal {
            again: !lasting,
            unsure: !lasting,
            source: Some(Box::new(error)),
            ..Refusal::new(kind, found)
        }
    }

    /// An answer that says no.
    pub fn answered(status: u16, headers: &HeaderMap, body: &ErrorBody) -> Refusal {
        let (kind, again) = judge(status, &body.code);
        let mut found = format!("{status} {}", body.code).trim_end().to_owned();
        if !body.message.is_empty() && !body.message.contains("Signature=") {
            found.push_str(": ");
            found.extend(body.message.chars().take(LONGEST_MESSAGE).filter(|c| !c.is_control()));
        }
        let header =
            |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        if let Some(region) = body.region.clone().or_else(|| header("x-amz-bucket-region"))
            && (status / 100 == 3 || body.code == "AuthorizationHeaderMalformed")
        {
            found.push_str(&format!("; the bucket is in region {region}"));
        } else if status / 100 == 3 {
            found.push_str("; the region or the endpoint is wrong, redirects are not followed");
        }
        if body.code == "RequestTimeTooSkewed" {
            found.push_str("; the clocks of this machine and the service differ too much");
        }
        if kind == ErrorKind::Refused {
            found.push_str("; the object lies in an archive tier: ask the service to bring it back (RestoreObject, Set Blob Tier), wait for that, then try again");
        }
        let wait = header("retry-after")
            .and_then(|v| v.trim().parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        Refusal {
            status,
            code: body.code.clone(),
            again,
            unsure: status >= 500 && status != 501,
            wait: wait.min(LONGEST_WAIT),
            date: date(headers).ok(),
            ..Refusal::new(kind, found)
        }
    }

    /// What the service does not know of the extras that were sent, if that is why it refused. A
    /// vague answer costs the checksum first: the condition protects what is stored.
    pub fn unknown(&self, body: &str, sent: Extras) -> Option<Extra> {
        let codes = ["NotImplemented", "InvalidArgument", "InvalidRequest", "Unsupported"];
        if self.status != 501 && !(self.status == 400 && codes.contains(&self.code.as_str())) {
            return None;
        }
        let text = body.to_lowercase();
        let named = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let about = [
            (
                Extra::UnsignedBody,
                sent.unsigned_body,
                named(&["unsigned-payload", "x-amz-content-sha256"]),
            ),
            (Extra::Checksum, sent.checksum, named(&["checksum", "crc32c"])),
            (
                Extra::Condition,
                sent.condition,
                named(&["if-none-match", "conditional", "precondition"]),
            ),
        ];
        if let Some((extra, ..)) = about.iter().find(|(_, sent, named)| *sent && *named) {
            return Some(*extra);
        }
        let vague = self.status == 501 && about.iter().all(|(_, _, named)| !named);
        match (vague, sent.checksum, sent.condition) {
            (true, true, _) => Some(Extra::Checksum),
            (true, false, true) => Some(Extra::Condition),
            (true, false, false) | (false, _, _) => None,
        }
    }

    /// The same of a question that came before the request: nothing was carried out.
    pub fn before(self, what: &str) -> Refusal {
        Refusal { unsure: false, found: format!("{what}: {}", self.found), ..self }
    }

    /// The same, which may be another one later.
    pub fn passing(self, again: bool) -> Refusal {
        Refusal { again, ..self }
    }

    /// The error of the contract.
    pub fn error(self, doing: &str) -> Error {
        let error = Error::new(self.kind, doing, self.found);
        Error { source: self.source, tries: self.tries, ..error }
    }

    /// The same, after other tries.
    pub fn after(mut self, tries: Tries) -> Refusal {
        self.tries = (tries.count() > 1).then(|| Box::new(tries));
        self
    }
}

impl From<Stopped> for Refusal {
    fn from(_: Stopped) -> Refusal {
        Refusal::new(ErrorKind::Stopped, "stopped")
    }
}

/// When an answer was given, by the clock of the server.
pub fn date(headers: &HeaderMap) -> Result<Timestamp, &'static str> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match text("age") {
        Some(age) if age.trim() != "0" => Err("the answer is an old one, out of a cache"),
        Some(_) | None => text("date").and_then(moment).ok_or("the answer has no date"),
    }
}

/// What an answer means, and whether it may be another one later.
fn judge(status: u16, code: &str) -> (ErrorKind, bool) {
    match (status, code) {
        (
            _,
            "BadDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody"
            | "Md5Mismatch",
        ) => (ErrorKind::Damaged, true),
        (_, "RequestTimeout") | (408 | 429, _) => (ErrorKind::Unreachable, true),
        // A redirect without a code is of a gateway, or the service stands elsewhere; a proxy that
        // wants a password is no service at all.
        (300..=399, "") | (407, _) => (ErrorKind::Unreachable, false),
        (_, "QuotaExceeded" | "EntityTooLarge" | "XMinioStorageFull") | (507, _) => {
            (ErrorKind::Full, false)
        }
        // Held back by a lock, a hold or a lease of the service.
        (_, "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold" | "LeaseIdMissing") => {
            (ErrorKind::Denied, false)
        }
        (_, "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated") => {
            (ErrorKind::Refused, false)
        }
        (409, "ContainerBeingDeleted" | "ContainerDisabled") => (ErrorKind::Failed, false),
        (409, "ConditionalRequestConflict" | "OperationAborted") => (ErrorKind::Exists, true),
        (409 | 412, _) => (ErrorKind::Exists, false),
        (_, "NoSuchBucket" | "NoSuchUpload" | "ContainerNotFound") => (ErrorKind::Failed, false),
        (404, _) => (ErrorKind::Missing, false),
        (401 | 403, _) | (_, "ExpiredToken" | "InvalidToken" | "InvalidAuthenticationInfo") => {
            (ErrorKind::Denied, false)
        }
        (416, _) => (ErrorKind::Damaged, false),
        // 501 and 505 are what the service will never do; gateways have numbers of their own.
        (500..=599, _) if status != 501 && status != 505 => (ErrorKind::Unreachable, true),
        _ => (ErrorKind::Failed, false),
    }
}

/// The status that an `<Error>` inside a `200 OK` would have had.
pub fn status_of(code: &str) -> u16 {
    match code {
        "InternalError" => 500,
        "SlowDown" | "ServiceUnavailable" | "RequestTimeout" | "Throttling" => 503,
        "PreconditionFailed" => 412,
        "ConditionalRequestConflict" | "OperationAborted" => 409,
        "AccessDenied" => 403,
        "NoSuchUpload" | "NoSuchKey" => 404,
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_extra_is_found_and_nothing_else_is_taken_for_one() {
        let all = Extras { checksum: true, condition: true, unsigned_body: true };
        let bare = Extras { checksum: false, ..all };
        let vague = "A header you provided implies functionality that is not implemented";
        for (status, code, text, sent, expected) in [
            (501, "NotImplemented", vague, all, Some(Extra::Checksum)),
            (501, "NotImplemented", vague, bare, Some(Extra::Condition)),
            (501, "NotImplemented", vague, Extras { condition: false, ..bare }, None),
            (501, "NotImplemented", "<Header>If-None-Match</Header>", all, Some(Extra::Condition)),
            (
                400,
                "InvalidArgument",
                "unsupported header x-amz-checksum-crc32c",
                all,
                Some(Extra::Checksum),
            ),
            (400, "InvalidArgument", "unsupported header x-amz-checksum-crc32c", bare, None),
            (
                400,
                "InvalidRequest",
                "UNSIGNED-PAYLOAD is not allowed",
                all,
                Some(Extra::UnsignedBody),
            ),
            (400, "InvalidArgument", "your part number is wrong", all, None),
            (400, "BadDigest", "the checksum you sent is wrong", all, None),
            (412, "PreconditionFailed", "precondition If-None-Match", all, None),
        ] {
            let body = ErrorBody { code: code.into(), message: text.into(), region: None };
            let refusal = Refusal::answered(status, &HeaderMap::new(), &body);
            assert_eq!(refusal.unknown(text, sent), expected, "{status} {code} {text}");
        }
    }
}
