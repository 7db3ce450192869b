//! The examination of a container: key or signature, clock, what the service checks, whether what
//! is removed is kept.
//!
//! Does not know what is kept there. Changes nothing but the probe.

use http::Method;
use jiff::Timestamp;

use crate::base::{Finding, Stop};
use crate::store::azure::checksum::checksum;
use crate::store::azure::dialect::listing;
use crate::store::contract::{Coming, ErrorKind, Store};
use crate::store::probe::probe;
use crate::store::wire::ask::Wire;
use crate::store::wire::call::{Call, header};
use crate::store::wire::look::skew;
use crate::store::wire::refusal::Refusal;

/// A signature that ends sooner is told, in days.
const SOON: i64 = 14;

/// Examines the container of `store`; `ends` is when its signature does.
pub fn examine(
    wire: &Wire,
    store: &dyn Store,
    ends: Option<Timestamp>,
    coming: &Coming,
    stop: &Stop,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let before = wire.now();
    match wire.ask(&listing(&coming.probe, None), stop) {
        Ok(answer) => {
            let text = format!("{} is there, and its key is good", wire.place);
            found.push(Finding::ok("container", text));
            found.extend(header(&answer.headers, "date").and_then(|date| skew(&date, before)));
        }
        Err(refusal) => return vec![refused(&refusal)],
    }
    found.extend(ends.map(|ends| lasting(ends, before)));
    found.extend(probe(store, &coming.probe, coming, stop));
    if found.iter().any(|f| f.looked == "writing") {
        return found;
    }
    found.push(checksums(wire, store, &coming.probe, stop));
    found.push(immutability(wire, stop));
    found
}

/// Why the container can't be listed.
fn refused(refusal: &Refusal) -> Finding {
    let advice = match (refusal.kind, refusal.code.as_str()) {
        (_, "ContainerNotFound") => "Make the container, or correct `container`.",
        (_, "AuthenticationFailed" | "InvalidAuthenticationInfo") => {
            "Check `account-key` or `sas`, and this machine's clock."
        }
        (ErrorKind::Denied, _) => {
            "Give the signature read, add, create, write, delete and list (`racwdl`) on the container."
        }
        (ErrorKind::Unreachable, _) => "Check `account`, `endpoint`, the network and the proxy.",
        _ => "Check `account`, `endpoint` and `container`.",
    };
    Finding::error("container", refusal.found.clone(), advice)
}

fn lasting(ends: Timestamp, now: Timestamp) -> Finding {
    let days = (ends.as_second() - now.as_second()).div_euclid(86_400);
    let text = format!("the signature ends {ends}, in {days} days");
    Finding::judged(
        days >= SOON,
        "signature",
        text,
        "Make a new one, and put it where `sas` points.",
    )
}

/// Sends bytes with the checksum of others: a service that takes them checks nothing.
fn checksums(wire: &Wire, store: &dyn Store, key: &str, stop: &Stop) -> Finding {
    let advice = "Every upload is read back only by `verify`; keep one in each chain.";
    let mut call = Call::new(Method::PUT, Some(key));
    call.headers.push(("x-ms-blob-type", "BlockBlob".into()));
    call.checksum = Some(checksum(b"other bytes"));
    call.body = b"some bytes";
    match wire.once(&call, stop) {
        Err(refusal) if refusal.kind == ErrorKind::Damaged || refusal.status == 400 => {
            Finding::ok("checksums", "a wrong MD5 is refused")
        }
        Err(refusal) => Finding::alert("checksums", format!("unknown: {}", refusal.found), advice),
        Ok(_) => match store.remove(key, stop) {
            Ok(()) => {
                let found = "the service takes bytes that do not fit their MD5";
                Finding::alert("checksums", found, advice)
            }
            Err(error) => Finding::error("removing", error.found, format!("Remove {key} by hand.")),
        },
    }
}

fn immutability(wire: &Wire, stop: &Stop) -> Finding {
    let mut call = Call::new(Method::GET, None);
    call.query.push(("restype", "container".into()));
    let found = match wire.ask(&call, stop) {
        Ok(answer) => {
            let on = |name: &str| header(&answer.headers, name).is_some_and(|v| v == "true");
            match on("x-ms-has-immutability-policy") || on("x-ms-has-legal-hold") {
                true => "on: retention can't remove what it holds".into(),
                false => "off: whoever has the key can remove every backup".into(),
            }
        }
        Err(refusal) => format!("unknown: {}", refusal.found),
    };
    Finding::ok("immutability", found)
}
