//! Values that are well formed and hardly what was meant: a variable of a shell in a path, a list in
//! one text.
//!
//! Does not know nodes, nor what the values are for.

use crate::base::{Complaint, Span};

/// A variable of a shell in a path: nothing fills it in.
pub fn variable(field: &str, path: &str, span: &Span) -> Option<Complaint> {
    let name = path.split('$').nth(1)?;
    let name = name.strip_prefix('{').unwrap_or(name);
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    named.then(|| {
        let message = format!("nothing fills in the variable in `{field}`");
        Complaint::warning("vex::value::variable", message)
            .label(span, "taken as it stands, with its `$`")
            .help("Write the path itself; a `~/` at its beginning is the home of who runs vex.")
    })
}

/// Several names in one text.
pub fn comma(field: &str, word: &str, span: &Span) -> Option<Complaint> {
    let parts: Vec<&str> = word.split(',').map(str::trim).collect();
    let is_list = parts.len() > 1 && !parts.iter().any(|part| part.is_empty());
    // `[a,b]` is a set of characters.
    (is_list && !word.contains('[')).then(|| {
        let named: Vec<String> =
            parts.iter().map(|part| format!("\"{}\"", part.escape_debug())).collect();
        let message = format!("`{field}` holds one name with a comma in it");
        Complaint::warning("vex::value::comma", message)
            .label(span, "one name, not several")
            .help(format!("Names stand one after the other: `{field} {}`.", named.join(" ")))
    })
}
