//! Rows of cells as columns of a terminal.

use crate::cli::wiring::tell;

/// Prints rows, each column as wide as its widest cell; what a name holds moves no cursor.
pub fn print(rows: &[Vec<String>]) {
    let clean = |cell: &String| cell.chars().filter(|c| !c.is_control()).collect::<String>();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(clean).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        tell(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
