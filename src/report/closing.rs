//! The table that a run ends with: of each backup its rows, its size, how fast it was read, where its
//! copies are, and how far they are proven.
//!
//! Knows no terminal. Invariant: a backup that was to be made has a row, also when there is none.

use std::collections::BTreeSet;

use crate::base::Size;
use crate::lang::Lang;
use crate::report::summary::{BackupSummary, CopySummary, Summary};
use crate::view::level;

/// A cell of which nothing is known.
const NONE: &str = "—";

/// The columns.
const HEADS: [&str; 6] = [
    "closing-head-source",
    "closing-head-rows",
    "closing-head-size",
    "closing-head-speed",
    "closing-head-copies",
    "closing-head-proof",
];

/// The lines of the table, its head first; none where nothing was to be backed up.
pub fn closing(summary: &Summary, lang: Lang) -> Vec<String> {
    if summary.backups.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![HEADS.map(|key| lang.say(key, &[])).to_vec()];
    for (step, backup) in &summary.backups {
        let facts = summary.plan.get(*step);
        let name = facts.and_then(|facts| facts.chain.as_ref().or(facts.source.as_ref()));
        rows.push(row(name.map_or(NONE, String::as_str), backup, lang));
    }
    laid_out(&rows)
}

fn row(name: &str, backup: &BackupSummary, lang: Lang) -> Vec<String> {
    let none = || NONE.to_owned();
    let made = backup.artifact.as_ref();
    let speed = made.and_then(|made| {
        let seconds = made.finished.duration_since(made.started).as_secs_f64();
        // What took no time has no speed.
        (seconds >= 0.001).then(|| format!("{}/s", Size((made.raw as f64 / seconds) as u64)))
    });
    vec![
        name.to_owned(),
        made.map_or_else(none, |made| made.rows.to_string()),
        made.map_or_else(none, |made| format!("{} → {}", Size(made.raw), Size(made.bytes))),
        speed.unwrap_or_else(none),
        copies(&backup.copies, lang),
        proof(&backup.copies, lang),
    ]
}

/// The stores that have a copy, and those that should.
fn copies(copies: &[CopySummary], lang: Lang) -> String {
    let shown = copies.iter().map(|copy| {
        let store = copy.copy.store.as_str();
        match copy.copy.failure {
            None => store.to_owned(),
            Some(_) => lang.say("closing-no-copy", &[("store", store)]),
        }
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if shown.is_empty() { NONE.to_owned() } else { shown }
}

/// How far the copies are proven: one word where it is the same of all.
fn proof(copies: &[CopySummary], lang: Lang) -> String {
    let made = || copies.iter().filter(|copy| copy.copy.failure.is_none());
    let words: BTreeSet<&str> = made().map(CopySummary::proof_word).collect();
    match words.into_iter().collect::<Vec<_>>().as_slice() {
        [] => NONE.to_owned(),
        [one] => level(one, lang),
        _ => {
            let each = made()
                .map(|copy| format!("{}: {}", copy.copy.store, level(copy.proof_word(), lang)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Each column as wide as its widest cell.
fn laid_out(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
