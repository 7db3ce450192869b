//! Entries sealed for recipients of age: each a complete age file, stored in the container as
//! `NAME.zst.age` or `NAME.age`, so that `7z`, `age` and `zstd` open it without vex.
//!
//! Pure. Source of the format: age-encryption.org/v1, by the crate `age`; recipients and identities
//! are X25519. The index has the names without the ending: whoever reads asks for `NAME`. A key that
//! does not fit is told from damage.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use age::stream::{StreamReader, StreamWriter};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};

use crate::artifact::damage::Damage;
use crate::base::Secret;

/// The word of a head's `needs`, and of its seal.
pub const AGE: &str = "age";

/// What is added to the name of an entry that is sealed so.
const ENDING: &str = ".age";

/// What is added before that where the entry was compressed.
const PRESSED: &str = ".zst";

/// How a private key begins.
const PRIVATE: &str = "AGE-SECRET-KEY-";

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// It is none.
    #[error("it is no X25519 recipient of age, which begins with age1")]
    Recipient,
    /// It opens what it should seal.
    #[error("it is a private key")]
    Private,
    /// There is none.
    #[error("it holds no X25519 identity of age, a line that begins with {PRIVATE}")]
    Identity,
}

/// For whom entries are sealed.
#[derive(Clone)]
pub struct Recipients(Vec<Recipient>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

/// Whether a text is a private key of age, or wants to be.
fn is_private(text: &str) -> bool {
    text.to_uppercase().starts_with(PRIVATE)
}

impl Recipients {
    /// Reads public keys.
    pub fn parse(texts: &[String]) -> Result<Recipients, AgeError> {
        let one = |text: &String| match is_private(text) {
            true => Err(AgeError::Private),
            false => Recipient::from_str(text).map_err(|_| AgeError::Recipient),
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Recipients)
    }

    /// Seals bytes into an age file.
    pub fn seal(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let all = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(all).map_err(std::io::Error::other)?;
        let mut sealed = Vec::with_capacity(bytes.len() + bytes.len() / 2048 + 1024);
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(sealed)
    }

    /// Begins an age file whose content is written as it comes.
    pub fn stream<W: Write>(&self, out: W) -> std::io::Result<StreamWriter<W>> {
        let all = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        Encryptor::with_recipients(all).map_err(std::io::Error::other)?.wrap_output(out)
    }
}

/// What opens entries.
#[derive(Clone)]
pub struct Identities(Vec<Identity>);

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identities(***)")
    }
}

impl Identities {
    /// Reads the text of an identity file: lines, of which those with `#` are comments.
    pub fn parse(text: &Secret) -> Result<Identities, AgeError> {
        let lines = text.reveal().lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let all: Result<Vec<Identity>, AgeError> =
            lines.map(|line| Identity::from_str(line).map_err(|_| AgeError::Identity)).collect();
        match all? {
            none if none.is_empty() => Err(AgeError::Identity),
            all => Ok(Identities(all)),
        }
    }

    /// Opens an age file whose content is read as it comes.
    pub fn stream<R: Read>(&self, sealed: R, name: &str) -> Result<StreamReader<R>, Damage> {
        let damage = |error: &dyn fmt::Display| Damage::entry(name, error.to_string());
        let decryptor = Decryptor::new(sealed).map_err(|e| damage(&e))?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        decryptor.decrypt(identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys => Damage::sealed_by_age(name, true),
            other => damage(&other),
        })
    }

    /// Opens the age file of an entry; at most `most` bytes come out, whatever it claims.
    pub fn open(&self, sealed: &[u8], name: &str, most: u64) -> Result<Vec<u8>, Damage> {
        let damage = |error: &dyn fmt::Display| Damage::entry(name, error.to_string());
        let decryptor = Decryptor::new_buffered(sealed).map_err(|e| damage(&e))?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut reader = decryptor.decrypt(identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys => Damage::sealed_by_age(name, true),
            other => damage(&other),
        })?;
        let mut bytes = Vec::with_capacity(sealed.len());
        reader.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(|e| damage(&e))?;
        match bytes.len() as u64 > most {
            true => Err(damage(&format!("it holds more than {most} bytes"))),
            false => Ok(bytes),
        }
    }
}

/// The name in the container of an entry that is sealed so.
pub fn sealed_name(name: &str, pressed: bool) -> String {
    format!("{name}{}{ENDING}", if pressed { PRESSED } else { "" })
}

/// The name of an entry as the index has it, of its name in the container, and whether it is
/// compressed within; `None` for what is not sealed so.
pub fn plain_name(name: &str) -> Option<(&str, bool)> {
    let inner = name.strip_suffix(ENDING)?;
    Some(inner.strip_suffix(PRESSED).map_or((inner, false), |plain| (plain, true)))
}

#[cfg(test)]
pub(super) mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn texts() -> (String, Identities) {
        let identity = Identity::generate();
        let text = format!("# created: today\n\n{}\n", identity.to_string().expose_secret());
        let read = Identities::parse(&Secret::new(text)).expect("an identity");
        (identity.to_public().to_string(), read)
    }

    /// A recipient, and what opens what is sealed for it.
    pub fn pair() -> (Recipients, Identities) {
        let (public, identities) = texts();
        (Recipients::parse(&[public]).expect("a recipient"), identities)
    }

    #[test]
    fn each_recipient_opens_it_and_another_key_is_told_from_damage() {
        let ((first, own), (second, recovery), (_, other)) = (texts(), texts(), texts());
        let recipients = Recipients::parse(&[first, second]).expect("recipients");
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let sealed = recipients.seal(&bytes).expect("sealed");
        for identity in [&own, &recovery] {
            assert_eq!(identity.open(&sealed, "x", 200_000).expect("opens"), bytes);
        }
        let wrong = other.open(&sealed, "x", 200_000).expect_err("another key");
        assert_eq!(wrong, Damage::sealed_by_age("x", true));
        assert!(own.open(&sealed, "x", 199_999).is_err());
        // A bit in the header and in each chunk, and a cut at each.
        for at in [5, sealed.len() / 3, sealed.len() / 2, sealed.len() - 1] {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            for bad in [flipped.as_slice(), &sealed[..at]] {
                let found = own.open(bad, "x", 200_000).expect_err("damage");
                assert!(matches!(found, Damage::Entry { .. }), "{at}: {found}");
            }
        }
    }

    #[test]
    fn a_key_that_is_none_and_a_private_one_are_refused() {
        let (public, _) = texts();
        let private = Identity::generate().to_string().expose_secret().to_owned();
        let parse = |text: &str| Recipients::parse(&[text.to_owned()]).map(drop);
        assert_eq!(parse(&public), Ok(()));
        assert_eq!(parse(&private), Err(AgeError::Private));
        assert_eq!(parse(&private.to_lowercase()), Err(AgeError::Private));
        assert_eq!(parse(&public[..public.len() - 1]), Err(AgeError::Recipient));
        for text in ["", "# nothing", public.as_str()] {
            let found = Identities::parse(&Secret::new(text.into())).map(drop);
            assert_eq!(found, Err(AgeError::Identity), "{text}");
        }
        let shown = format!("{:?}", Identities::parse(&Secret::new(private)).expect("read"));
        assert_eq!(shown, "Identities(***)");
    }

    #[test]
    fn a_name_is_found_again_behind_its_endings() {
        for pressed in [true, false] {
            let sealed = sealed_name("shop/orders.00003.sql", pressed);
            assert_eq!(plain_name(&sealed), Some(("shop/orders.00003.sql", pressed)));
        }
        assert_eq!(plain_name("shop/orders.00003.sql"), None);
    }
}
