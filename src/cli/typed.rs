//! What was typed, as far as it may be repeated: the password of an address is not, whichever
//! message repeats the word, and clap's own are among them.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::base::{secret_parts, show_address};

/// A part of a password this short is left to the word as a whole: it would be hidden in every
/// other word as well.
const SHORT: usize = 4;

/// A text without the passwords of the addresses that were typed.
pub fn veil(text: &str) -> Cow<'_, str> {
    static TYPED: OnceLock<Vec<(String, String)>> = OnceLock::new();
    let typed = TYPED.get_or_init(|| {
        let words = std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned());
        secrets(words)
    });
    veiled(text, typed)
}

fn veiled<'a>(text: &'a str, typed: &[(String, String)]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for (secret, shown) in typed {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), shown));
        }
    }
    text
}

/// What must not be repeated and what stands for it: whole words first, then parts of them.
fn secrets(words: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for word in words {
        let value = word.split_once('=').filter(|_| word.starts_with('-')).map(|(_, v)| v);
        let address = value.unwrap_or(&word);
        let secret = secret_parts(address);
        if !secret.is_empty() {
            whole.push((address.to_owned(), show_address(address)));
        }
        let long = secret.into_iter().filter(|r| r.len() >= SHORT);
        parts.extend(long.map(|r| (address[r].to_owned(), "***".to_owned())));
    }
    whole.extend(parts);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_password_is_veiled_in_every_message() {
        let typed = ["list", "--from=s3://k:CANARY@b", "mysql://u:pw@h", "shop"];
        let typed = secrets(typed.map(str::to_owned).into_iter());
        for (text, shown) in [
            ("unable to read mysql://u:pw@h", "unable to read mysql://u:***@h"),
            ("unexpected '--from=s3://k:CANARY@b'", "unexpected '--from=s3://***@b'"),
            ("s3://k:CANARY@b: no store", "s3://***@b: no store"),
            ("the prefix k:CANARY@x", "the prefix ***@x"),
            ("shop is listed", "shop is listed"),
        ] {
            assert_eq!(veiled(text, &typed), shown);
        }
    }
}
