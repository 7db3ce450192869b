//! What of an address may be shown: a URL without its password, without the values of a query that
//! may be secrets, in whatever state the text is.
//!
//! Goes by signs, not by the grammar of URLs: what does not parse (`mysql://u:word@h:bad`, a
//! password with `/`, `#` or `@` in it) is repeated in messages more often than what does. Hides
//! too much rather than too little.

use std::ops::Range;

/// What stands in the place of what is hidden.
const HIDDEN: &str = "***";

/// Schemes that are followed by a path and no host.
const PATHS: [&str; 3] = ["file", "sqlite", "pgdata"];

/// Schemes whose user alone is a key.
const KEYED: [&str; 3] = ["s3", "http", "https"];

/// Schemes that people write without `//`.
const KNOWN: [&str; 7] = ["mysql", "mariadb", "postgres", "postgresql", "s3", "http", "https"];

/// Parameters whose value is no secret.
const HARMLESS: [&str; 9] =
    ["endpoint", "region", "profile", "path-style", "ca", "socket", "service", "prefix", "sslmode"];

/// Words that are followed by a secret where a connection is written as `name=value`.
const SECRETS: [&str; 4] = ["password=", "passwd=", "pwd=", "secret="];

/// An address as it may be shown. What is none stays as it is.
pub fn show_address(text: &str) -> String {
    let mut shown = String::new();
    let mut end = 0;
    for range in secret_parts(text) {
        shown.push_str(&text[end..range.start]);
        shown.push_str(HIDDEN);
        end = range.end;
    }
    shown.push_str(&text[end..]);
    shown
}

/// Whether an address with a scheme holds a password, or a key.
pub fn holds_login(text: &str) -> bool {
    text.contains("://") && split(text).is_some_and(|parts| login(text, &parts).is_some())
}

/// The parts of an address that must not be shown, in order.
pub fn secret_parts(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if let Some(parts) = split(text) {
        let login = login(text, &parts);
        let after = login.as_ref().map_or(parts.start, |l| l.end);
        found.extend(login);
        if parts.scheme.is_some() {
            let hash = text[after..].find('#').map_or(text.len(), |n| after + n);
            found.extend((hash + 1 < text.len()).then(|| hash + 1..text.len()));
            query(text, after..hash, &mut found);
        }
    }
    // `host=h password=word`, where no `&` ends the value: what follows may belong to it.
    let lower = text.to_ascii_lowercase();
    if !text.contains("://") {
        let first = SECRETS.iter().filter_map(|w| Some(lower.find(w)? + w.len())).min();
        found.extend(first.filter(|at| *at < text.len()).map(|at| at..text.len()));
    }
    found.sort_by_key(|r| r.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// An address, as far as it can be told apart.
struct Parts<'a> {
    scheme: Option<&'a str>,
    /// Where the login or the host begins.
    start: usize,
}

/// `None` where the text is a path, in which nothing is a secret.
fn split(text: &str) -> Option<Parts<'_>> {
    let (scheme, start) = match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => (Some(scheme), scheme.len() + 3),
        _ => match text.split_once(':') {
            Some((scheme, rest)) if KNOWN.contains(&scheme) => {
                (Some(scheme), text.len() - rest.trim_start_matches('/').len())
            }
            Some((scheme, _)) if PATHS.contains(&scheme) => return None,
            _ => (None, 0),
        },
    };
    let is_path = match scheme {
        Some(scheme) => PATHS.contains(&scheme) && text[start..].starts_with('/'),
        None => text.starts_with(['/', '.', '~']),
    };
    (!is_path).then_some(Parts { scheme, start })
}

fn is_scheme(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Where the password stands, or the whole login where the user is a key too.
fn login(text: &str, parts: &Parts<'_>) -> Option<Range<usize>> {
    let rest = &text[parts.start..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A password may hold the signs that end an authority: then there is an `@` behind them.
    let own = authority.rfind('@');
    let at = match rest.rfind('@')? {
        last if own.is_some() || authority.contains(':') => last,
        _ => return None,
    };
    let user_only = KEYED.iter().any(|k| parts.scheme == Some(k));
    let colon = rest[..at].find(':');
    let from = match (user_only, colon) {
        (true, _) => 0,
        (false, Some(colon)) => colon + 1,
        (false, None) => return None,
    };
    (from < at).then(|| parts.start + from..parts.start + at)
}

/// The values of parameters nobody knows to be harmless, in `text[within]`.
fn query(text: &str, within: Range<usize>, found: &mut Vec<Range<usize>>) {
    let Some(mark) = text[within.clone()].find('?') else { return };
    let mut start = within.start + mark + 1;
    for part in text[start..within.end].split('&') {
        let end = start + part.len();
        let (name, value) = part.split_once('=').unwrap_or(("", part));
        let from = end - value.len();
        if HARMLESS.contains(&name) {
            // An address in an address, whose password may hold a `&`; encoded, its signs can't be
            // told apart.
            let reach = if value.contains("://") { within.end } else { end };
            let inner = secret_parts(&text[from..reach]).into_iter();
            let inner = inner.map(|r| from + r.start..from + r.end);
            match value.to_ascii_lowercase().contains("%40") {
                true => found.push(from..end),
                false => found.extend(inner),
            }
        } else if !value.is_empty() {
            found.push(from..end);
        }
        start = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let table = [
            ("mysql://u:CANARY@h:3306/", "mysql://u:***@h:3306/"),
            ("mysql://u:CANARY@h:bad", "mysql://u:***@h:bad"),
            ("postgres://u:CAN/ARY@h/d", "postgres://u:***@h/d"),
            ("postgres://u:CAN#ARY?x@h/d", "postgres://u:***@h/d"),
            ("postgres://u:1?CANARY@h/d", "postgres://u:***@h/d"),
            ("postgres://u:CAN@ARY@h/d", "postgres://u:***@h/d"),
            ("postgres://:CANARY@h/d", "postgres://:***@h/d"),
            ("mysql:u:CANARY@h", "mysql:u:***@h"),
            ("mysql:/u:CANARY@h", "mysql:/u:***@h"),
            ("u:CANARY@tcp(h:3306)/d", "u:***@tcp(h:3306)/d"),
            ("s3://KEY:CAN/ARY@bucket/p", "s3://***@bucket/p"),
            ("s3://CANARY@bucket/p", "s3://***@bucket/p"),
            ("https://CANARY@h/x", "https://***@h/x"),
            ("odd+x://u:CANARY@h/x", "odd+x://u:***@h/x"),
            (
                "s3://b/p?endpoint=http://u:CANARY@h&region=x",
                "s3://b/p?endpoint=http://***@h&region=x",
            ),
            (
                "s3://b/p?endpoint=http%3A%2F%2Fu%3ACANARY%40h&region=x",
                "s3://b/p?endpoint=***&region=x",
            ),
            (
                "https://h/x?X-Amz-Signature=CANARY&region=y",
                "https://h/x?X-Amz-Signature=***&region=y",
            ),
            (
                "s3://b/?endpoint=http://u:CA&NARY@h&region=x",
                "s3://b/?endpoint=http://***&region=x",
            ),
            ("https://h/x?CANARY", "https://h/x?***"),
            ("https://h/x#CANARY", "https://h/x#***"),
            ("host=h password=CANARY port=1", "host=h password=***"),
            ("Password=CANARY", "Password=***"),
            ("mysql://u:ção@h", "mysql://u:***@h"),
        ];
        for (text, shown) in table {
            assert_eq!(show_address(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "shop",
            "mysql://u@h:3306?socket=/run/x.sock&ca=/etc/ca.pem",
            "postgres://vex@[::1]:5432/erp?service=erp",
            "s3://bucket/prefix?endpoint=http://minio:9000&path-style=true",
            "s3://bucket/a@b",
            "file:/mnt/nas:1/a@b",
            "file:///mnt/nas:1/a@b",
            "sqlite:/srv/a:b@c.db",
            "pgdata:/var/lib/x",
            "/mnt/nas:1/a@b.kdl",
            "jobs/nightly.kdl",
            "dba@example.com",
        ] {
            assert_eq!(show_address(text), text);
            assert!(!holds_login(text), "{text}");
        }
        assert!(!holds_login("u:CANARY@h"), "that is no address yet");
        assert!(holds_login("mysql://u:x@h") && holds_login("s3://k@b"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:/@?#=&%é ]{0,40}") {
            show_address(&text);
            show_address(&format!("s3://{text}"));
        }

        #[test]
        fn a_password_of_any_signs_is_hidden(word in "[!-~]{0,12}CANARY[!-~]{0,12}") {
            for address in ["mysql://u:WORD@h:3306/d", "postgres://u:WORD@h", "s3://k:WORD@b/p"] {
                let shown = show_address(&address.replace("WORD", &word));
                proptest::prop_assert!(!shown.contains("CANARY"), "{}", shown);
            }
        }
    }
}
