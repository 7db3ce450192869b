//! Rows of cells as columns of a terminal.

use std::io::IsTerminal;

use crate::cli::wiring::tell;
use crate::lang::Lang;
use crate::record::Verdict;
use crate::report::paint;
use crate::view::word;
use crate::world::colours;

/// All verdicts.
const VERDICTS: [Verdict; 3] = [Verdict::Success, Verdict::Alert, Verdict::Error];

/// Prints rows, each column as wide as its widest cell; what a name holds moves no cursor. A cell that
/// is a verdict has its colour on a terminal.
pub fn print(rows: &[Vec<String>]) {
    let clean = |cell: &String| cell.chars().filter(|c| !c.is_control()).collect::<String>();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(clean).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let colours = colours(std::io::stdout().is_terminal());
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padded = format!("{cell:<width$}");
            match verdict_of(cell).filter(|_| colours) {
                Some(verdict) => padded.replacen(cell, &paint(verdict, cell), 1),
                None => padded,
            }
        });
        tell(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// The verdict whose word a cell is, in either language.
fn verdict_of(cell: &str) -> Option<Verdict> {
    let is_word = |verdict: &Verdict| {
        [Lang::PtBr, Lang::En].into_iter().any(|lang| word(*verdict, lang) == cell)
    };
    VERDICTS.into_iter().find(is_word)
}
