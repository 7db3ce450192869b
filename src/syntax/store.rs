//! `stores { … }`: the kinds of stores.
//!
//! Does not know sources or jobs.

use crate::base::Complaint;
use crate::job::{DirSpec, S3Spec, SftpSpec, Store, StoreSpec};
use crate::syntax::node::Node;
use crate::syntax::{fault, policy, problem};

/// Reads one named store whose defaults are filled in.
pub fn read(node: &Node, complaints: &mut Vec<Complaint>) -> Option<Store> {
    node.require(complaints);
    let name = node.name.clone()?;
    let spec = match node.kind.name {
        "dir" => StoreSpec::Dir(DirSpec { path: node.path("path").unwrap_or_default() }),
        "s3" => StoreSpec::S3(s3(node, complaints)),
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
    let endpoint = node.word("endpoint").map(|word| {
        let plain = word.value.starts_with("http://");
        if !plain && !word.value.starts_with("https://") {
            let wanted = "an address such as `https://s3.example.com`";
            complaints.push(fault::form("endpoint", wanted, "this text", &word.span));
        }
        word.value.trim_end_matches('/').to_owned()
    });
    let access_key = node.secret("access-key");
    if let (Some(place), None) = (node.label("access-key"), node.place("secret-key")) {
        complaints.push(problem::conflict(
            "`access-key` needs its `secret-key`",
            place,
            None,
            "Add `secret-key (env)\"…\"`.",
        ));
    }
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
        sse: node.text("sse"),
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
