//! The glob of names: `*` any run of characters, `?` one character, `[abc]` and `[!a-z]` one of a
//! set; `\` quotes.
//!
//! Does not know what it matches: databases, tables, files. Matching costs at
//! most the length of the name times that of the pattern (one restart point, never recursion), so
//! no pattern can hang a run.

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Char(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Parses a pattern; `None` where a set is not closed or a quote ends the pattern.
    pub fn parse(text: &str) -> Option<Glob> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' if parts.last() == Some(&Part::Any) => continue,
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Char(chars.next()?),
                '[' => parse_set(&mut chars)?,
                c => Part::Char(c),
            });
        }
        Some(Glob { text: text.to_owned(), parts })
    }

    /// Whether the whole of `name` fits the pattern.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut part) = (0, 0);
        let mut restart: Option<(usize, usize)> = None;
        while at < name.len() || part < self.parts.len() {
            let fits = match self.parts.get(part) {
                Some(Part::Any) => {
                    restart = Some((at, part));
                    part += 1;
                    continue;
                }
                Some(p) if at < name.len() => p.fits(name[at]),
                _ => false,
            };
            if fits {
                at += 1;
                part += 1;
                continue;
            }
            match restart {
                Some((from, star)) if from < name.len() => {
                    restart = Some((from + 1, star));
                    at = from + 1;
                    part = star + 1;
                }
                _ => return false,
            }
        }
        true
    }

    /// The name itself, where the pattern can match only one.
    pub fn literal(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|p| match p {
                Part::Char(c) => Some(*c),
                _ => None,
            })
            .collect()
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Part::Any | Part::One => true,
            Part::Char(own) => *own == c,
            Part::Set { negated, ranges } => {
                ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated
            }
        }
    }
}

fn parse_set(chars: &mut std::str::Chars<'_>) -> Option<Part> {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut c = chars.next()?;
    let negated = c == '!' || c == '^';
    if negated {
        c = chars.next()?;
    }
    loop {
        if c == '\\' {
            c = chars.next()?;
        }
        let mut next = chars.next()?;
        if next == '-' {
            match chars.next()? {
                ']' => {
                    ranges.push((c, c));
                    ranges.push(('-', '-'));
                    return Some(Part::Set { negated, ranges });
                }
                end => {
                    ranges.push((c, end));
                    next = chars.next()?;
                }
            }
        } else {
            ranges.push((c, c));
        }
        if next == ']' {
            return Some(Part::Set { negated, ranges });
        }
        c = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same question by recursion: slow, and too plain to be wrong.
    fn plain(parts: &[Part], name: &[char]) -> bool {
        match (parts.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((Part::Any, rest)), _) => {
                plain(rest, name) || (!name.is_empty() && plain(parts, &name[1..]))
            }
            (Some((p, rest)), Some((c, tail))) => p.fits(*c) && plain(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn linear_match_agrees_with_the_recursive_one(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let glob = Glob::parse(&pattern).expect("no sets, no quotes");
            let chars: Vec<char> = name.chars().collect();
            prop_assert_eq!(glob.matches(&name), plain(&glob.parts, &chars));
        }

        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,20}", name in "\\PC{0,20}") {
            if let Some(glob) = Glob::parse(&pattern) {
                glob.matches(&name);
            }
        }
    }

    #[test]
    fn sets_quotes_and_literals() {
        let fits = |p: &str, n: &str| Glob::parse(p).expect("a pattern").matches(n);
        assert!(fits("crm_*", "crm_br") && !fits("crm_*", "crm"));
        assert!(fits("[a-c]x", "bx") && !fits("[!a-c]x", "bx") && fits("[a-]", "-"));
        assert!(fits("a\\*", "a*") && !fits("a\\*", "ab"));
        assert!(Glob::parse("[ab").is_none() && Glob::parse("a\\").is_none());
        assert_eq!(Glob::parse("a\\*b").expect("a pattern").literal().as_deref(), Some("a*b"));
    }
}
