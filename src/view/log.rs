//! The log of a run as a page shows it: a long one is cut, but never its alerts and errors.

use serde::Serialize;

use crate::catalog::{ListedRun, LogLine};
use crate::view::format::parse;
use crate::view::frame::Viewer;

/// Lines up to which a log is shown whole.
const WHOLE: usize = 2000;

/// Lines at the beginning of a log that are always shown.
const HEAD: usize = 200;

/// Lines at its end that are always shown.
const TAIL: usize = 300;

/// Lines around an alert that are shown with it.
const AROUND: usize = 3;

/// A line.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its number.
    pub n: i64,
    /// Its time of day.
    pub at: String,
    /// `al`, `er`, or empty.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// What it says.
    pub text: String,
}

/// A log.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    /// What its elements are called.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What stands beside that.
    pub about: String,
    /// Its name for screen readers.
    pub name: String,
    /// Whether it opens on alerts and errors.
    pub only: bool,
    /// How many lines there are.
    pub total: usize,
    /// How many are alerts or errors.
    pub alerts: usize,
    /// How many are errors.
    pub errors: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Lines of a run as a log called `id`.
pub fn log(viewer: &Viewer, lines: &[&LogLine], run: Option<&ListedRun>, id: &str) -> Log {
    let line = |n: i64, l: &&LogLine| {
        let (k, key) = match l.level {
            3 => ("er", "verdict-error"),
            2 => ("al", "verdict-alert"),
            _ => ("", "verdict-success"),
        };
        Line {
            n,
            at: parse(&l.at).map(|at| viewer.reader.clock(at)).unwrap_or_default(),
            k,
            word: if k.is_empty() { String::new() } else { viewer.say(key, &[]) },
            text: l.text.clone(),
        }
    };
    let shows = kept(lines);
    let mut shown = Vec::new();
    let mut hidden = 0;
    // Numbers of the catalog say when; a reader counts lines.
    for ((n, l), shows) in (1..).zip(lines).zip(shows) {
        if !shows {
            hidden += 1;
            continue;
        }
        if hidden > 0 {
            shown.push(cut(viewer, n - 1, hidden, run));
            hidden = 0;
        }
        shown.push(line(n, l));
    }
    Log {
        id: id.to_owned(),
        title: viewer.say("log-title", &[]),
        about: viewer.lang().count("log-lines", lines.len(), &[]),
        name: viewer.say("log-name-run", &[]),
        only: false,
        total: lines.len(),
        alerts: lines.iter().filter(|l| l.level > 1).count(),
        errors: lines.iter().filter(|l| l.level > 2).count(),
        lines: shown,
    }
}

/// Which lines are shown.
fn kept(lines: &[&LogLine]) -> Vec<bool> {
    let n = lines.len();
    let mut kept: Vec<bool> = (0..n).map(|i| n <= WHOLE || i < HEAD || i + TAIL >= n).collect();
    if n > WHOLE {
        for (i, _) in lines.iter().enumerate().filter(|(_, l)| l.level > 1) {
            kept[i.saturating_sub(AROUND)..(i + AROUND + 1).min(n)].fill(true);
        }
    }
    kept
}

fn cut(viewer: &Viewer, n: i64, hidden: usize, run: Option<&ListedRun>) -> Line {
    let (id, host) = run.map_or(("", ""), |r| (r.id.as_str(), r.host.as_str()));
    let parts = [("n", hidden.to_string()), ("run", id.to_owned()), ("host", host.to_owned())];
    let parts: Vec<(&str, &str)> = parts.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let text = viewer.say("log-cut", &parts);
    Line { n, at: String::new(), k: "", word: String::new(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_ends_and_every_alert_with_what_stands_around_it() {
        let lines: Vec<LogLine> = (1..=5000)
            .map(|number| LogLine {
                number,
                at: String::new(),
                level: if number == 2500 { 3 } else { 1 },
                step: None,
                text: String::new(),
            })
            .collect();
        let refs: Vec<&LogLine> = lines.iter().collect();
        let kept = kept(&refs);
        assert_eq!(kept.iter().filter(|k| **k).count(), 200 + 300 + 7);
        assert!(kept[2496] && kept[2502] && !kept[2495] && !kept[2503]);
    }
}
