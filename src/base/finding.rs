//! What an examination found: one thing looked at, how it stands, what to do. Plain data; knows
//! nothing of sources.

/// What the statements of an advice begin with.
const VERBS: [&str; 3] = ["GRANT ", "ALTER ROLE ", "CREATE TABLE "];

/// A text cut behind each `;` that stands in no quotes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '`' | '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ';') => {
                pieces.push(&text[from..=at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces
}

/// How well a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// A backup can be made, and somebody should look.
    Alert,
    /// No good backup, or no restore, until somebody acts.
    Error,
}

impl Grade {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Alert => "alert",
            Grade::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub grade: Grade,
    /// What was looked at, in a few words.
    pub looked: String,
    /// What was found.
    pub found: String,
    /// What to do, as a sentence or a statement to run.
    pub advice: Option<String>,
}

impl Finding {
    /// A thing that is as it should be.
    pub fn ok(looked: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { grade: Grade::Ok, looked: looked.into(), found: found.into(), advice: None }
    }

    /// A thing somebody should look at.
    pub fn alert(
        looked: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding { grade: Grade::Alert, advice: Some(advice.into()), ..Finding::ok(looked, found) }
    }

    /// A thing that keeps a backup or a restore from being made.
    pub fn error(
        looked: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding { grade: Grade::Error, advice: Some(advice.into()), ..Finding::ok(looked, found) }
    }

    /// The statements of the advice, each with its `;`.
    pub fn statements(&self) -> Vec<String> {
        let Some(advice) = &self.advice else { return Vec::new() };
        let ended = pieces(advice).into_iter().filter_map(|piece| piece.strip_suffix(';'));
        let begun = |piece: &str| {
            let at = VERBS.iter().filter_map(|verb| piece.find(verb)).min()?;
            Some(format!("{};", &piece[at..]))
        };
        ended.filter_map(begun).collect()
    }

    /// A thing that is as it should be if `good`, else one that somebody should look at.
    pub fn judged(
        good: bool,
        looked: impl Into<String>,
        found: impl Into<String>,
        advice: &str,
    ) -> Finding {
        if good { Finding::ok(looked, found) } else { Finding::alert(looked, found, advice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_taken_out_of_an_advice_and_a_name_may_hold_anything() {
        let of = |advice: &str| Finding::alert("l", "f", advice).statements();
        assert_eq!(of("Say why it's so."), Vec::<String>::new());
        assert_eq!(of("Set x; GRANT it yourself."), Vec::<String>::new());
        assert_eq!(
            of("Run: GRANT SELECT ON `a;b`.* TO 'v'@'%'; GRANT RELOAD ON *.* TO 'v'@'%';"),
            ["GRANT SELECT ON `a;b`.* TO 'v'@'%';", "GRANT RELOAD ON *.* TO 'v'@'%';"]
        );
        assert_eq!(of("ALTER ROLE \"x\" CREATEDB;"), ["ALTER ROLE \"x\" CREATEDB;"]);
    }
}
