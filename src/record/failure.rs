//! Why something failed: a code and its values for programs and languages, and the words that were
//! said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Error, Tries, without_number};

/// Why something failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is: `unreachable`, `denied`, `damage`; each has a sentence in every
    /// language.
    #[serde(default)]
    pub code: String,
    /// What was being done, to what, and what was found.
    pub message: String,
    /// What the sentence needs: `doing`, `found` and others, by name.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The causes below it.
    #[serde(default)]
    pub causes: Vec<String>,
    /// How often it was tried, where it was more than once.
    #[serde(default)]
    pub tries: Option<TriesFacts>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

/// How often something was tried before it was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriesFacts {
    /// How many tries there were.
    pub count: u32,
    /// From the first to the last, in seconds.
    pub seconds: u64,
    /// What each found, and how often.
    pub found: Vec<(String, u32)>,
}

impl TriesFacts {
    fn of(tries: &Tries) -> TriesFacts {
        let (count, seconds) = (tries.count(), tries.seconds);
        let found = tries.found.iter().map(|(found, count)| (without_number(found), *count));
        TriesFacts { count, seconds, found: found.collect() }
    }
}

impl Failure {
    /// A failure of `code` with the causes of `error`.
    pub fn of(code: &str, error: &dyn std::error::Error) -> Failure {
        let message = without_number(&error.to_string());
        let mut causes: Vec<String> = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = without_number(&inner.to_string());
            // A transparent wrapper says what its cause says.
            if text != message && causes.last() != Some(&text) {
                causes.push(text);
            }
            cause = inner.source();
        }
        Failure { code: code.to_owned(), message, causes, ..Failure::default() }
    }

    /// A failure that is an error of a source or a store.
    pub fn of_error<P: std::fmt::Debug>(error: &Error<P>) -> Failure {
        let values = [("doing", &*error.doing), ("found", error.found.as_str())];
        let values = values.map(|(name, value)| (name.to_owned(), without_number(value))).into();
        Failure {
            values,
            tries: error.tries.as_deref().map(TriesFacts::of),
            hint: error.hint.as_deref().map(str::to_owned),
            ..Failure::of(error.code(), error)
        }
    }

    /// The failure in one line.
    pub fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line += ": ";
            line += cause;
        }
        line
    }
}
