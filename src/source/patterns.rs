//! The patterns of a job that fit nothing of what a server holds: most often a slip of the pen, by
//! which something is dumped that should not be, or nothing that should.
//!
//! Does not know what a field means, only which names its patterns are held against.

use crate::base::Glob;

/// What to do about one.
pub const ADVICE: &str = "Correct it, or take it out.";

/// The patterns that fitted nothing so far.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    left: Vec<(&'static str, Glob)>,
}

impl Patterns {
    /// All of some fields.
    pub fn of(fields: &[(&'static str, &[Glob])]) -> Patterns {
        let all =
            fields.iter().flat_map(|(field, globs)| globs.iter().map(|g| (*field, g.clone())));
        Patterns { left: all.collect() }
    }

    /// Takes note of a name that the patterns of these fields are held against.
    pub fn see(&mut self, fields: &[&str], name: &str) {
        self.left.retain(|(field, glob)| !fields.contains(field) || !glob.matches(name));
    }

    /// A line for each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (field, glob) in &self.left {
            let line = format!("`{field} \"{}\"` matches nothing", glob.text().escape_debug());
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_nothing_anywhere_is_told_once() {
        let globs = |words: &[&str]| -> Vec<Glob> {
            words.iter().map(|word| Glob::parse(word).unwrap()).collect()
        };
        let (databases, exclude) = (globs(&["a*", "x*"]), globs(&["a.t", "a.u", "a.u"]));
        let mut all = Patterns::of(&[("databases", &databases), ("exclude", &exclude)]);
        all.see(&["databases", "exclude"], "abc");
        all.see(&["exclude"], "x.y");
        all.see(&["exclude"], "a.t");
        assert_eq!(
            all.lines(),
            ["`databases \"x*\"` matches nothing", "`exclude \"a.u\"` matches nothing"]
        );
    }
}
