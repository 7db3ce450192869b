//! A secret, and the reference a job file holds instead of one.
//!
//! Does not know where secrets come from (`world/reveal.rs` does). A `Secret` can't be printed: it
//! has no `Display`, its `Debug` is `***`, and its bytes are wiped when it is dropped. `reveal` is
//! the one way to its text; grep for it.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// A revealed secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The text, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is to be found; holds no secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `(env)"NAME"`: an environment variable.
    Env(String),
    /// `(file)"path"`: the first line of a file.
    File(PathBuf),
    /// `(command)"pass" "show" "db"`: the first line a program prints; words, no shell.
    Command(Vec<String>),
    /// `(credential)"name"`: what systemd hands to a unit, by `LoadCredential=` and its kin.
    Credential(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "(env)\"{name}\""),
            SecretRef::File(path) => write!(f, "(file)\"{}\"", path.display()),
            SecretRef::Command(words) => {
                write!(f, "(command)\"{}\"", words.first().map_or("", String::as_str))
            }
            SecretRef::Credential(name) => write!(f, "(credential)\"{name}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Some(Secret::new("CANARY-1".into()))), "Some(***)");
    }
}
