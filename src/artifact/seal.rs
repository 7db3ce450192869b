//! What seals archives and what opens them, and which passwords may seal: those that 7-Zip can be
//! given too.
//!
//! Pure. A password is judged before sealing only: what was sealed with another is still opened with
//! it.

use crate::artifact::age::{Identities, Recipients};
use crate::base::Secret;

/// What seals entries.
#[derive(Debug, Clone)]
pub enum Sealing {
    /// A password, by WinZip AES-256.
    Password(Secret),
    /// Recipients of age.
    Age(Recipients),
}

impl Sealing {
    /// What opens what it seals, if one is both.
    pub fn key(&self) -> Option<Key> {
        match self {
            Sealing::Password(password) => Some(Key::Password(password.clone())),
            Sealing::Age(_) => None,
        }
    }
}

/// What opens sealed entries.
#[derive(Debug, Clone)]
pub enum Key {
    /// A password.
    Password(Secret),
    /// Identities of age.
    Age(Identities),
}

impl Key {
    /// The password, if it is one.
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Key::Password(password) => Some(password),
            Key::Age(_) => None,
        }
    }
}

/// Longest password that 7-Zip takes for an entry in WinZip AES, in bytes of UTF-8.
pub const LONGEST_PASSWORD: usize = 99;

/// Why a password may not seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It has no character.
    #[error("it is empty")]
    Empty,
    /// 7-Zip would say that it is wrong.
    #[error("it has more than {LONGEST_PASSWORD} bytes, and 7-Zip takes no more")]
    Long,
    /// Nobody could type it.
    #[error("it holds a control character, which can't be typed")]
    Control,
}

impl SealError {
    /// What to do.
    pub fn hint(self) -> &'static str {
        "Use 1 to 99 characters of ASCII. What was sealed before is opened with its own password."
    }
}

/// Whether a password may seal an archive.
pub fn may_seal(password: &str) -> Result<(), SealError> {
    if password.is_empty() {
        Err(SealError::Empty)
    } else if password.len() > LONGEST_PASSWORD {
        Err(SealError::Long)
    } else if password.chars().any(char::is_control) {
        Err(SealError::Control)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_measured_in_bytes_as_7_zip_does() {
        let table = [
            ("", Err(SealError::Empty)),
            (" ", Ok(())),
            (&"a".repeat(99), Ok(())),
            (&"a".repeat(100), Err(SealError::Long)),
            (&"é".repeat(49), Ok(())),
            (&"é".repeat(50), Err(SealError::Long)),
            ("a\tb", Err(SealError::Control)),
            ("a\nb", Err(SealError::Control)),
            ("a\u{7f}", Err(SealError::Control)),
            ("a\u{85}", Err(SealError::Control)),
        ];
        for (password, expected) in table {
            assert_eq!(may_seal(password), expected, "{password:?}");
        }
    }
}
