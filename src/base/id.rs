//! The identity of a run and of its artifacts: UTC time plus a random tail, such as
//! `20261120T032200Z-9f3a61c2`.
//!
//! Does not read the clock: time and chance come in as arguments. Sorting IDs as text sorts them by
//! second.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names one run, and every artifact it makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Makes an ID from a moment and 32 random bits.
    pub fn new(now: Timestamp, tail: u32) -> Id {
        Id(format!("{}-{tail:08x}", now.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// Reads an ID back; `None` if it has another form.
    pub fn parse(text: &str) -> Option<Id> {
        let (time, tail) = text.split_once('-')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let fits = time.len() == 16
            && digits(&time[..8])
            && &time[8..9] == "T"
            && digits(&time[9..15])
            && time.ends_with('Z')
            && tail.len() == 8
            && tail.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Id(text.to_owned()))
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = Id::new(Timestamp::UNIX_EPOCH, 0x1f);
        assert_eq!(id.as_str(), "19700101T000000Z-0000001f");
        assert_eq!(Id::parse(id.as_str()), Some(id));
        for bad in [
            "",
            "latest",
            "19700101T000000Z-0000001F",
            "19700101T000000Z",
            "é9700101T000000Z-0000001f",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }
}
