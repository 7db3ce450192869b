//! The examination of a bucket: keys, bucket, clock, what the service checks, whether it keeps what
//! is removed.
//!
//! Does not know what is kept there. Changes nothing but the probe; where versions are kept, the
//! probe leaves one.

use http::Method;

use crate::base::{Finding, Stop};
use crate::store::contract::{Coming, ErrorKind, Store};
use crate::store::probe::probe;
use crate::store::s3::flavor::Flavor;
use crate::store::s3::xml;
use crate::store::wire::ask::Wire;
use crate::store::wire::call::{Call, header};
use crate::store::wire::look::skew;
use crate::store::wire::refusal::Refusal;
use crate::store::wire::xml::parse;

/// Examines the bucket of `store`.
pub fn examine(
    wire: &Wire,
    flavor: Flavor,
    store: &dyn Store,
    coming: &Coming,
    stop: &Stop,
) -> Vec<Finding> {
    let folder =
        coming.probe.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut found = Vec::new();
    let mut call = Call::new(Method::GET, None);
    call.query = vec![("list-type", "2".into()), ("max-keys", "1".into()), ("prefix", folder)];
    let before = wire.now();
    match wire.ask(&call, stop) {
        Ok(answer) => {
            found.push(Finding::ok(
                "bucket",
                format!("{} is there, and the keys are good", wire.place),
            ));
            found.extend(header(&answer.headers, "date").and_then(|date| skew(&date, before)));
        }
        Err(refusal) => return vec![refused(&refusal)],
    }
    found.extend(probe(store, &coming.probe, coming, stop));
    if found.iter().any(|f| f.looked == "writing") {
        return found;
    }
    found.push(checksums(wire, flavor, store, &coming.probe, stop));
    found.push(Finding::judged(
        wire.conditions(),
        "conditional create",
        format!(
            "the service {} {}",
            if wire.conditions() { "knows" } else { "does not know" },
            wire.dialect.condition().0
        ),
        "vex looks before it writes; give every job a prefix of its own, so that no two take one name.",
    ));
    found.push(versions(wire, stop));
    found.extend((flavor == Flavor::Amazon).then(|| lock(wire, stop)));
    found
}

/// Why the bucket can't be listed.
fn refused(refusal: &Refusal) -> Finding {
    let advice = match (refusal.kind, refusal.code.as_str()) {
        (_, "NoSuchBucket") => "Make the bucket, or correct `bucket`.",
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
            "Check `access-key` and `secret-key`."
        }
        (_, "RequestTimeTooSkewed") => "Set this machine's clock.",
        (ErrorKind::Denied, _) => {
            "Give these keys s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject."
        }
        (ErrorKind::Unreachable, _) => "Check `endpoint`, the network and the proxy.",
        _ => "Check `endpoint`, `region` and `bucket`.",
    };
    Finding::error("bucket", refusal.found.clone(), advice)
}

/// Sends bytes with the checksum of others: a service that takes them checks nothing.
fn checksums(wire: &Wire, flavor: Flavor, store: &dyn Store, key: &str, stop: &Stop) -> Finding {
    let advice = "Every upload is read back only by `verify`; keep one in each chain.";
    if !wire.checksums() {
        return Finding::alert("checksums", "the service does not know CRC32C", advice);
    }
    let mut call = Call::new(Method::PUT, Some(key));
    call.headers.clone_from(&wire.labels);
    call.checksum = Some(flavor.checksum(b"other bytes"));
    call.body = b"some bytes";
    match wire.once(&call, stop) {
        Err(refusal) if refusal.kind == ErrorKind::Damaged || refusal.status == 400 => {
            Finding::ok("checksums", "a wrong CRC32C is refused")
        }
        Err(refusal) => Finding::alert("checksums", format!("unknown: {}", refusal.found), advice),
        Ok(_) => match store.remove(key, stop) {
            Ok(()) => Finding::alert(
                "checksums",
                "the service takes bytes that do not fit their CRC32C",
                advice,
            ),
            Err(error) => Finding::error("removing", error.found, format!("Remove {key} by hand.")),
        },
    }
}

/// Asks for a setting of the bucket: its answer, or why there is none.
fn setting(wire: &Wire, name: &'static str, stop: &Stop) -> std::result::Result<Vec<u8>, Refusal> {
    let mut call = Call::new(Method::GET, None);
    call.query.push((name, String::new()));
    wire.ask(&call, stop).map(|answer| answer.body)
}

fn versions(wire: &Wire, stop: &Stop) -> Finding {
    let answer = setting(wire, "versioning", stop);
    let state =
        answer.map(|body| parse::<xml::Versioning>(&body).map(|v| v.status).unwrap_or_default());
    let found = match state.as_deref() {
        Ok("Enabled") => {
            "on: what retention removes stays as a version until the bucket's lifecycle removes it"
                .into()
        }
        Ok("Suspended") => "suspended: older versions may be there".into(),
        Ok(_) => "off: what is removed is gone".into(),
        Err(refusal) => format!("unknown: {}", refusal.found),
    };
    Finding::ok("versioning", found)
}

fn lock(wire: &Wire, stop: &Stop) -> Finding {
    let found = match setting(wire, "object-lock", stop) {
        Ok(body) => match parse::<xml::ObjectLock>(&body).unwrap_or_default().shown() {
            Some(text) => format!("on, {text}"),
            None => "off: whoever has the keys can remove every backup".into(),
        },
        Err(refusal) if refusal.status == 404 => {
            "off: whoever has the keys can remove every backup".into()
        }
        Err(refusal) => format!("unknown: {}", refusal.found),
    };
    Finding::ok("object lock", found)
}
