//! Where a ping goes: the address after Sucesso or Alerta; after Erro its path and `/fail`, before a
//! run `/start`, with the query kept behind it.
//!
//! Pure: it calls nobody. Invariants: no failure is sent with a query that says it went well; an
//! error does not repeat the address, which is a secret.

use url::{Url, form_urlencoded};

/// What a ping tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A run begins.
    Start,
    /// It ended, and made what it was to make.
    Success,
    /// It failed.
    Failure,
}

/// Parameters by which a monitor books a state, the value that says it went well, the one that says
/// it did not, and the one that says it runs, if there is one: Uptime Kuma, Sentry, Cronitor.
const STATES: [(&str, &str, &str, &str); 4] = [
    ("status", "up", "down", ""),
    ("status", "ok", "error", "in_progress"),
    ("state", "complete", "fail", "run"),
    ("state", "ok", "fail", "run"),
];

/// Where Uptime Kuma listens; it books UP where the query has no status.
const KUMA: &str = "/api/push/";

/// What is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Calls {
    /// First; `None` where the monitor has no word for it.
    pub first: Option<Url>,
    /// Where the first is not taken: a monitor that reads the query has no `/fail`.
    pub second: Option<Url>,
}

/// The calls that tell it.
pub fn calls(address: &str, sign: Sign) -> Result<Calls, &'static str> {
    let parsed = Url::parse(address.trim()).ok();
    let mut url = parsed
        .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
        .ok_or("the address is none that begins with https:// and names a host")?;
    url.set_fragment(None);
    let behind = |word: &str| {
        let mut first = url.clone();
        first.set_path(&format!("{}/{word}", url.path().trim_end_matches('/')));
        first
    };
    let state = state(&url);
    match sign {
        Sign::Success => Ok(Calls { first: Some(url), second: None }),
        Sign::Start => {
            let first = match state {
                Some(State { runs, .. }) if runs.is_empty() => None,
                Some(State { runs, .. }) => {
                    url.set_query(Some(&runs));
                    Some(url)
                }
                None => Some(behind("start")),
            };
            Ok(Calls { first, second: None })
        }
        Sign::Failure => {
            let mut first = behind("fail");
            let second = state.map(|state| {
                first.set_query(Some(&state.fails));
                url.set_query(Some(&state.fails));
                url
            });
            Ok(Calls { first: Some(first), second })
        }
    }
}

/// The query of a monitor that reads its state there.
struct State {
    /// With the state of a failure.
    fails: String,
    /// With that of a run that goes on; empty where there is none.
    runs: String,
}

/// The states of a monitor that reads them in the query; all else in it stays as it was written.
fn state(url: &Url) -> Option<State> {
    let query = url.query().unwrap_or_default();
    let mut parts: Vec<String> = query.split('&').map(str::to_owned).collect();
    let mut going = parts.clone();
    let (mut named, mut found, mut runs) = (false, false, true);
    for (part, going) in parts.iter_mut().zip(&mut going) {
        let Some((name, value)) = form_urlencoded::parse(part.as_bytes()).next() else { continue };
        named |= name == "status";
        let state = STATES
            .iter()
            .find(|(n, good, ..)| name.eq_ignore_ascii_case(n) && value.eq_ignore_ascii_case(good));
        if let Some((_, _, bad, run)) = state {
            let name = part.split('=').next().unwrap_or_default().to_owned();
            *part = format!("{name}={bad}");
            *going = format!("{name}={run}");
            (found, runs) = (true, runs && !run.is_empty());
        }
    }
    if !named && url.path().contains(KUMA) {
        parts.retain(|part| !part.is_empty());
        parts.push("status=down".to_owned());
        (found, runs) = (true, false);
    }
    let going = if runs { going.join("&") } else { String::new() };
    found.then(|| State { fails: parts.join("&"), runs: going })
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
            let calls = calls(address, Sign::Failure).expect(address);
            assert_eq!(calls.first.as_ref().map(Url::as_str), Some(first));
            assert_eq!(calls.second.as_ref().map(Url::as_str), second, "{address}");
        }
    }

    #[test]
    fn what_went_well_is_told_as_it_is_written_without_a_fragment() {
        let told = calls("https://h/api/push/KEY/?status=up&a=b#x", Sign::Success).expect("a call");
        let first = told.first.as_ref().map(Url::as_str);
        assert_eq!(first, Some("https://h/api/push/KEY/?status=up&a=b"));
        assert_eq!(told.second, None);
    }

    #[test]
    fn a_start_is_told_where_the_monitor_has_a_word_for_it() {
        let table = [
            ("https://h/KEY?a=b#x", Some("https://h/KEY/start?a=b")),
            ("https://h/p/KEY?state=complete&a=b", Some("https://h/p/KEY?state=run&a=b")),
            ("https://h/cron/KEY/?status=ok", Some("https://h/cron/KEY/?status=in_progress")),
            ("https://h/api/push/KEY?status=up", None),
            ("https://h/api/push/KEY", None),
        ];
        for (address, first) in table {
            let calls = calls(address, Sign::Start).expect(address);
            assert_eq!((calls.first.as_ref().map(Url::as_str), calls.second), (first, None));
        }
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for address in ["CANARY", "ftp://h/CANARY", "https://", "https://h:CANARY/", ""] {
            let why = calls(address, Sign::Success).expect_err(address);
            assert!(!why.contains("CANARY"));
        }
    }
}
