//! Where a ping goes: the address after Sucesso or Alerta; after Erro its path and `/fail`, with
//! the query kept behind it.
//!
//! Pure: it calls nobody. Invariants: no failure is sent with a query that says it went well; an
//! error does not repeat the address, which is a secret.

use url::{Url, form_urlencoded};

use crate::record::Verdict;

/// Parameters by which a monitor books a state, the value that says it went well, and the one that
/// says it did not: Uptime Kuma, Sentry, Cronitor.
const STATES: [(&str, &str, &str); 4] = [
    ("status", "up", "down"),
    ("status", "ok", "error"),
    ("state", "complete", "fail"),
    ("state", "ok", "fail"),
];

/// Where Uptime Kuma listens; it books UP where the query has no status.
const KUMA: &str = "/api/push/";

/// What is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Calls {
    /// First.
    pub first: Url,
    /// Where the first is not taken: a monitor that reads the query has no `/fail`.
    pub second: Option<Url>,
}

/// The calls that tell of a verdict.
pub fn calls(address: &str, verdict: Verdict) -> Result<Calls, &'static str> {
    let parsed = Url::parse(address.trim()).ok();
    let mut url = parsed
        .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
        .ok_or("the address is none that begins with https:// and names a host")?;
    url.set_fragment(None);
    if verdict != Verdict::Error {
        return Ok(Calls { first: url, second: None });
    }
    let turned = turned(&url);
    if let Some(query) = &turned {
        url.set_query(Some(query));
    }
    let mut first = url.clone();
    first.set_path(&format!("{}/fail", url.path().trim_end_matches('/')));
    Ok(Calls { first, second: turned.map(|_| url) })
}

/// The query of a monitor that reads its state there, with the state of a failure; all else in it
/// stays as it was written.
fn turned(url: &Url) -> Option<String> {
    let query = url.query().unwrap_or_default();
    let mut parts: Vec<String> = query.split('&').map(str::to_owned).collect();
    let (mut named, mut found) = (false, false);
    for part in &mut parts {
        let Some((name, value)) = form_urlencoded::parse(part.as_bytes()).next() else { continue };
        named |= name == "status";
        let state = STATES
            .iter()
            .find(|(n, good, _)| name.eq_ignore_ascii_case(n) && value.eq_ignore_ascii_case(good));
        if let Some((_, _, bad)) = state {
            *part = format!("{}={bad}", part.split('=').next().unwrap_or_default());
            found = true;
        }
    }
    if !named && url.path().contains(KUMA) {
        parts.retain(|part| !part.is_empty());
        parts.push("status=down".to_owned());
        found = true;
    }
    found.then(|| parts.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_behind_the_path_and_never_as_up() {
        let table = [
            ("https://h/KEY", "https://h/KEY/fail", None),
            ("https://h/KEY/", "https://h/KEY/fail", None),
            ("https://h", "https://h/fail", None),
            ("https://h:8/p/KEY?a=b&c=%2F#top", "https://h:8/p/KEY/fail?a=b&c=%2F", None),
            ("https://h/KEY?", "https://h/KEY/fail?", None),
            ("https://h/KEY?status=down", "https://h/KEY/fail?status=down", None),
            (
                "https://h/api/push/KEY?status=up&msg=OK&ping=",
                "https://h/api/push/KEY/fail?status=down&msg=OK&ping=",
                Some("https://h/api/push/KEY?status=down&msg=OK&ping="),
            ),
            (
                "https://h/push/KEY/?a=%20b&STATUS=%75P&status=up",
                "https://h/push/KEY/fail?a=%20b&STATUS=down&status=down",
                Some("https://h/push/KEY/?a=%20b&STATUS=down&status=down"),
            ),
            (
                "https://h/cron/KEY/?status=ok",
                "https://h/cron/KEY/fail?status=error",
                Some("https://h/cron/KEY/?status=error"),
            ),
            (
                "https://h/p/KEY?state=complete",
                "https://h/p/KEY/fail?state=fail",
                Some("https://h/p/KEY?state=fail"),
            ),
            (
                "https://h/api/push/KEY",
                "https://h/api/push/KEY/fail?status=down",
                Some("https://h/api/push/KEY?status=down"),
            ),
        ];
        for (address, first, second) in table {
            let calls = calls(address, Verdict::Error).expect(address);
            assert_eq!(calls.first.as_str(), first);
            assert_eq!(calls.second.as_ref().map(Url::as_str), second, "{address}");
        }
    }

    #[test]
    fn what_went_well_is_told_as_it_is_written_without_a_fragment() {
        for verdict in [Verdict::Success, Verdict::Alert] {
            let told = calls("https://h/api/push/KEY/?status=up&a=b#x", verdict).expect("a call");
            assert_eq!(told.first.as_str(), "https://h/api/push/KEY/?status=up&a=b");
            assert_eq!(told.second, None);
        }
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for address in ["CANARY", "ftp://h/CANARY", "https://", "https://h:CANARY/", ""] {
            let why = calls(address, Verdict::Success).expect_err(address);
            assert!(!why.contains("CANARY"));
        }
    }
}
