//! What an examination found: one thing looked at, how it stands, what to do. Plain data; knows
//! nothing of sources.

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
