//! `stores { … }`: the kinds of stores.
//!
//! Does not know sources or jobs.

use crate::base::{Complaint, SecretRef};
use crate::job::{AzureSpec, DirSpec, GcsSpec, S3Spec, SftpSpec, Store, StoreSpec};
use crate::syntax::node::Node;
use crate::syntax::{fault, policy, problem};

/// Reads one named store whose defaults are filled in.
pub fn read(node: &Node, complaints: &mut Vec<Complaint>) -> Option<Store> {
    node.require(complaints);
    let name = node.name.clone()?;
    let spec = match node.kind.name {
        "dir" => StoreSpec::Dir(DirSpec {
            path: node.path("path").unwrap_or_default(),
            mount: node.switch("mount").unwrap_or(false),
        }),
        "s3" => StoreSpec::S3(s3(node, complaints)),
        "azure" => StoreSpec::Azure(azure(node, complaints)),
        "gcs" => StoreSpec::Gcs(gcs(node, complaints)),
        "oci" => StoreSpec::S3(oci(node, complaints)),
        "sftp" => StoreSpec::Sftp(sftp(node, complaints)),
        other => unreachable!("BUG: no decoder for store kind {other}"),
    };
    let key = node.word("key").filter(|key| match key_fault(&key.value) {
        Some(why) => {
            complaints.push(fault::key(why, &key.span));
            false
        }
        None => true,
    });
    let prefix = node.text("prefix").unwrap_or_default();
    if prefix.split('/').any(|part| part == ".." || part == ".")
        || prefix.chars().any(char::is_control)
    {
        let span = node.place("prefix").unwrap_or(&node.span);
        complaints.push(fault::form(
            "prefix",
            "parts joined by `/`, none of them `.` or `..`",
            "this text",
            span,
        ));
    }
    Some(Store {
        name,
        spec,
        keep: policy::read_keep(node, complaints),
        prefix: prefix.trim_matches('/').to_owned(),
        key,
        site: node.text("site").unwrap_or_default(),
        enabled: node.enabled(),
        span: node.span.clone(),
    })
}

fn s3(node: &Node, complaints: &mut Vec<Complaint>) -> S3Spec {
    let endpoint = endpoint(node, complaints);
    let access_key = access_key(node, complaints);
    S3Spec {
        bucket: node.text("bucket").unwrap_or_default(),
        region: node.text("region").unwrap_or_else(|| "us-east-1".into()),
        path_style: node.switch("path-style").unwrap_or(endpoint.is_some()),
        endpoint,
        access_key,
        secret_key: node.secret("secret-key"),
        session_token: node.secret("session-token"),
        profile: node.text("profile"),
        ca: node.path("ca"),
        storage_class: node.text("storage-class"),
        sse: node.text("sse").or_else(|| node.text("kms-key").map(|_| "aws:kms".into())),
        kms_key: node.text("kms-key"),
        tags: tags(node, complaints),
    }
}

/// `tag "name=value" …`: ten at most, as the service has it.
fn tags(node: &Node, complaints: &mut Vec<Complaint>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for word in node.list("tag") {
        match word.value.split_once('=') {
            Some((name, value)) if !name.is_empty() && found.len() < 10 => {
                found.push((name.to_owned(), value.to_owned()));
            }
            Some(_) | None => {
                let wanted = "`name=value`, ten of them at most";
                complaints.push(fault::form("tag", wanted, "this text", &word.span));
            }
        }
    }
    found
}

/// `access-key`, which needs its `secret-key`.
fn access_key(node: &Node, complaints: &mut Vec<Complaint>) -> Option<SecretRef> {
    if let (Some(place), None) = (node.label("access-key"), node.place("secret-key")) {
        complaints.push(problem::conflict(
            "`access-key` needs its `secret-key`",
            place,
            None,
            "Add `secret-key (env)\"…\"`.",
        ));
    }
    node.secret("access-key")
}

fn gcs(node: &Node, complaints: &mut Vec<Complaint>) -> GcsSpec {
    if let (Some(key), Some(account)) = (node.label("access-key"), node.place("service-account")) {
        let found = "`access-key` and `service-account` are two ways in";
        complaints.push(problem::conflict(found, key, Some(account), "Keep one of them."));
    }
    GcsSpec {
        bucket: node.text("bucket").unwrap_or_default(),
        endpoint: endpoint(node, complaints),
        access_key: access_key(node, complaints),
        secret_key: node.secret("secret-key"),
        service_account: node.secret("service-account"),
        ca: node.path("ca"),
        storage_class: node.text("storage-class"),
        claim: node.switch("claim").unwrap_or(true),
    }
}

/// A bucket of Oracle's Object Storage, by the protocol of S3 that it speaks.
fn oci(node: &Node, complaints: &mut Vec<Complaint>) -> S3Spec {
    let region = node.text("region").unwrap_or_default();
    let namespace = node.text("namespace").unwrap_or_default();
    let service = || format!("https://{namespace}.compat.objectstorage.{region}.oraclecloud.com");
    S3Spec {
        bucket: node.text("bucket").unwrap_or_default(),
        endpoint: endpoint(node, complaints).or_else(|| Some(service())),
        region,
        path_style: true,
        access_key: access_key(node, complaints),
        secret_key: node.secret("secret-key"),
        session_token: None,
        profile: None,
        ca: node.path("ca"),
        storage_class: node.text("storage-class"),
        sse: None,
        kms_key: None,
        tags: Vec::new(),
    }
}

fn endpoint(node: &Node, complaints: &mut Vec<Complaint>) -> Option<String> {
    node.word("endpoint").map(|word| {
        let plain = word.value.starts_with("http://");
        if !plain && !word.value.starts_with("https://") {
            let wanted = "an address such as `https://s3.example.com`";
            complaints.push(fault::form("endpoint", wanted, "this text", &word.span));
        }
        word.value.trim_end_matches('/').to_owned()
    })
}

fn azure(node: &Node, complaints: &mut Vec<Complaint>) -> AzureSpec {
    if let (Some(key), Some(sas)) = (node.label("account-key"), node.place("sas")) {
        let found = "`account-key` and `sas` are two ways in";
        complaints.push(problem::conflict(found, key, Some(sas), "Keep one of them."));
    }
    AzureSpec {
        account: node.text("account").unwrap_or_default(),
        container: node.text("container").unwrap_or_default(),
        endpoint: endpoint(node, complaints),
        account_key: node.secret("account-key"),
        sas: node.secret("sas"),
        ca: node.path("ca"),
        tier: node.text("tier"),
    }
}

fn sftp(node: &Node, complaints: &mut Vec<Complaint>) -> SftpSpec {
    for field in ["host", "user"] {
        let odd = |text: &str| text.starts_with('-') || text.contains(char::is_whitespace);
        if let Some(word) = node.word(field).filter(|word| odd(&word.value)) {
            let wanted =
                "a name that does not begin with `-`, which `ssh` would take for an option";
            complaints.push(fault::form(field, wanted, "this text", &word.span));
        }
    }
    SftpSpec {
        host: node.text("host").unwrap_or_default(),
        port: node.number("port"),
        user: node.text("user"),
        identity: node.path("identity"),
        known_hosts: node.path("known-hosts"),
        path: node.text("path").unwrap_or_default(),
    }
}

/// What is wrong with a template of keys.
fn key_fault(key: &str) -> Option<&'static str> {
    let mut rest = key;
    while let Some(open) = rest.find(['{', '}']) {
        let part = &rest[open..];
        let known = ["{prefix}", "{job}", "{source}", "{date}", "{name}"]
            .iter()
            .find(|k| part.starts_with(**k));
        match known {
            Some(k) => rest = &part[k.len()..],
            None => return Some("has a part nobody knows"),
        }
    }
    if !key.ends_with("{name}") || key.matches("{name}").count() != 1 {
        return Some("does not end in `{name}`");
    }
    if key.matches("{date}").count()
        > usize::from(key.ends_with("/{date}/{name}") || key == "{date}/{name}")
    {
        return Some("has `{date}` elsewhere than as `{date}/{name}` at its end");
    }
    let folder = key.trim_end_matches("{name}");
    if !folder.is_empty() && !folder.ends_with('/') {
        return Some("needs a `/` before `{name}`");
    }
    let clean =
        key.split('/').enumerate().all(|(i, p)| (!p.is_empty() || i == 0) && p != "." && p != "..");
    if clean && !key.chars().any(char::is_control) {
        None
    } else {
        Some("has an empty or dotted part")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_template_ends_in_the_name_and_knows_its_parts() {
        for good in [
            "{prefix}/{job}/{source}/{name}",
            "{prefix}/{name}",
            "{name}",
            "x/{source}-{job}/{name}",
            "{source}/{date}/{name}",
        ] {
            assert_eq!(key_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "{name}/x",
            "{prefix}",
            "{host}/{name}",
            "a{name}",
            "../{name}",
            "a//{name}",
            "{name}{name}",
            "{date}/x/{name}",
            "x-{date}/{name}",
            "{date}/{date}/{name}",
        ] {
            assert!(key_fault(bad).is_some(), "{bad}");
        }
    }
}
