//! Whether colours are wanted where something is shown, and whether progress can be drawn.
//!
//! <https://no-color.org>: `NO_COLOR` that is set and not empty forbids them; so do `CLICOLOR=0` and
//! a terminal that is `dumb`.

use std::ffi::OsString;

/// Whether progress can be drawn on what is a terminal, or not: a `dumb` one, and one of which nothing
/// is known, move no cursor.
pub fn draws(terminal: bool) -> bool {
    terminal && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether colours are wanted on what is a terminal, or not.
pub fn colours(terminal: bool) -> bool {
    terminal && allowed(&|name| std::env::var_os(name))
}

fn allowed(variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|found| found == value);
    let forbidden = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && !is("CLICOLOR", "0") && !is("TERM", "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_usual_variables_forbids_them() {
        let with = |name: &'static str, value: &'static str| {
            allowed(&move |asked: &str| (asked == name).then(|| value.into()))
        };
        assert!(with("TERM", "xterm") && with("NO_COLOR", "") && with("CLICOLOR", "1"));
        assert!(!with("NO_COLOR", "1") && !with("TERM", "dumb") && !with("CLICOLOR", "0"));
    }
}
