//! The signature of a head: an object of its own, `<key>.manifest.sig`. Normative text:
//! `schema/artifact.md`.
//!
//! Pure. Ed25519 (RFC 8032) over the bytes of the head as they are stored; the head names the hashes
//! of container and index, so nothing of an artifact can be exchanged without it. Knows no store.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::base::Secret;

/// What is added to the key of a container.
pub const SIGNATURE: &str = ".manifest.sig";

/// Largest signature, in bytes.
pub const LARGEST_SIGNATURE: u64 = 4 << 10;

/// The format of signatures.
const FORMAT: u64 = 1;

/// How a public key begins.
const PREFIX: &str = "ed25519:";

/// What is signed before the head: no signature of another thing is one of a head.
const CONTEXT: &[u8] = b"vex head\n";

/// What is wrong with a key, or with a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no private key.
    #[error("it is no Ed25519 key as `openssl genpkey -algorithm ed25519` writes it")]
    Private,
    /// It is no public key.
    #[error("it is no public key: `{PREFIX}` and 32 bytes in Base64")]
    Public,
    /// The signature makes no sense.
    #[error("its signature can't be read: {0}")]
    Unreadable(String),
    /// Another key made it.
    #[error("it is signed by {0}, which is no `verify-key` of the site file")]
    Stranger(String),
    /// The head is another one.
    #[error("it is not what was signed")]
    Altered,
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyKey([u8; 32]);

impl VerifyKey {
    /// Reads `ed25519:` and Base64.
    pub fn parse(text: &str) -> Result<VerifyKey, SignatureError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SignatureError::Public)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SignatureError::Public)?;
        bytes.try_into().map(VerifyKey).map_err(|_| SignatureError::Public)
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

/// A private key.
pub struct Signer(Ed25519KeyPair);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

/// A signature as it is stored.
#[derive(Serialize, Deserialize)]
struct Line {
    format: u64,
    key: String,
    signature: String,
}

impl Signer {
    /// Reads the PEM text of a private key (PKCS #8).
    pub fn parse(text: &Secret) -> Result<Signer, SignatureError> {
        let lines = text.reveal().lines().map(str::trim);
        let encoded: String = lines.filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(encoded).map(zeroize::Zeroizing::new);
        let der = der.map_err(|_| SignatureError::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        pair.map(Signer).map_err(|_| SignatureError::Private)
    }

    /// What verifies what it signs.
    pub fn verify_key(&self) -> VerifyKey {
        let bytes = self.0.public_key().as_ref().try_into();
        VerifyKey(bytes.expect("BUG: a public key of another size"))
    }

    /// The signature of a head, as it is stored.
    pub fn sign(&self, head: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&message(head));
        let line = Line {
            format: FORMAT,
            key: self.verify_key().to_string(),
            signature: STANDARD.encode(signature.as_ref()),
        };
        let mut bytes = serde_json::to_vec_pretty(&line).expect("BUG: a signature is not JSON");
        bytes.push(b'\n');
        bytes
    }
}

fn message(head: &[u8]) -> Vec<u8> {
    [CONTEXT, head].concat()
}

/// Whether one of `keys` signed a head.
pub fn verify(keys: &[VerifyKey], head: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let unreadable = |found: String| SignatureError::Unreadable(found);
    let line: Line = serde_json::from_slice(signature).map_err(|e| unreadable(e.to_string()))?;
    if line.format != FORMAT {
        return Err(unreadable(format!("it has format {}", line.format)));
    }
    let signature = STANDARD.decode(&line.signature).map_err(|e| unreadable(e.to_string()))?;
    let key = keys.iter().find(|key| key.to_string() == line.key);
    let key = key.ok_or_else(|| SignatureError::Stranger(line.key.escape_debug().to_string()))?;
    UnparsedPublicKey::new(&ED25519, key.0)
        .verify(&message(head), &signature)
        .map_err(|_| SignatureError::Altered)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    fn signer() -> Signer {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("made");
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Signer::parse(&Secret::new(pem)).expect("a key")
    }

    #[test]
    fn what_was_signed_is_told_from_all_else() {
        let (own, other) = (signer(), signer());
        let (key, head) = (own.verify_key(), b"{ a head }");
        assert_eq!(VerifyKey::parse(&key.to_string()), Ok(key));
        let signature = own.sign(head);
        assert_eq!(verify(&[other.verify_key(), key], head, &signature), Ok(()));
        assert_eq!(verify(&[key], b"{ a heap }", &signature), Err(SignatureError::Altered));
        let stranger = verify(&[key], head, &other.sign(head)).expect_err("another key");
        assert!(matches!(stranger, SignatureError::Stranger(_)), "{stranger}");
        // The attacker writes our key beside a signature of his own.
        let text = String::from_utf8(other.sign(head)).expect("JSON");
        let forged = text.replace(&other.verify_key().to_string(), &key.to_string());
        assert_eq!(verify(&[key], head, forged.as_bytes()), Err(SignatureError::Altered));
        for torn in [&b""[..], b"{}", &signature[..20]] {
            assert!(matches!(verify(&[key], head, torn), Err(SignatureError::Unreadable(_))));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "ed25519:", "ed25519:AAAA", "AAAA", "ed25519:!"] {
            assert_eq!(VerifyKey::parse(bad), Err(SignatureError::Public), "{bad}");
        }
        for bad in ["", "CANARY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            let found = Signer::parse(&Secret::new(bad.into())).map(drop);
            assert_eq!(found, Err(SignatureError::Private), "{bad}");
        }
        assert_eq!(format!("{:?}", signer()), "Signer(***)");
    }
}
