//! An event's definition, as the server shows it, made so that it does not run.
//!
//! Knows no server. Looks at nothing in quotes, and at nothing behind the word that says whether it
//! runs: the body may hold anything.

use crate::source::mysql::definition::quoted_length;

/// A definition that does not run by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchedOff {
    /// It does not as it is.
    Already,
    /// This one does not.
    Now(String),
    /// It is not understood.
    Unknown,
}

/// Switches the event of a CREATE statement off.
pub fn switched_off(text: &str) -> SwitchedOff {
    const KEPT: &str = " PRESERVE ";
    let mut at = 0;
    while let Some(found) = text[at..].find(['`', '\'', '"', ' ']) {
        at += found;
        if let Some(rest) = text[at..].strip_prefix(KEPT) {
            let from = at + KEPT.len();
            return match rest.strip_prefix("ENABLE") {
                Some(after) => SwitchedOff::Now(format!("{}DISABLE{after}", &text[..from])),
                None if rest.starts_with("DISABLE") => SwitchedOff::Already,
                None => SwitchedOff::Unknown,
            };
        }
        match text[at..].starts_with(' ').then_some(1).or_else(|| quoted_length(&text[at..])) {
            Some(length) => at += length,
            None => return SwitchedOff::Unknown,
        }
    }
    SwitchedOff::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_of_the_event_itself_is_changed() {
        let event = |name: &str, word: &str| {
            format!(
                "CREATE DEFINER=`a`@`%` EVENT `{name}` ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' ON COMPLETION NOT \
                 PRESERVE {word} COMMENT ' PRESERVE ENABLE ' DO SELECT ' PRESERVE ENABLE '"
            )
        };
        for name in ["e", " PRESERVE ENABLE", "'"] {
            assert_eq!(
                switched_off(&event(name, "ENABLE")),
                SwitchedOff::Now(event(name, "DISABLE"))
            );
            for word in ["DISABLE", "DISABLE ON SLAVE", "DISABLE ON REPLICA"] {
                assert_eq!(switched_off(&event(name, word)), SwitchedOff::Already);
            }
        }
        for text in ["", "CREATE EVENT `e", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"] {
            assert_eq!(switched_off(text), SwitchedOff::Unknown, "{text}");
        }
    }
}
