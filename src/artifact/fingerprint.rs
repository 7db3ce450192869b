//! The fingerprint of a seal's password: tells two passwords apart, and not what they are.
//!
//! PBKDF2-HMAC-SHA256 (RFC 8018) with 100 000 rounds, so that guessing by it costs far more than
//! guessing by a sealed entry itself (1000 rounds of SHA-1, as WinZip AES wants them).

use sha2::Sha256;

use crate::artifact::index::hex;
use crate::base::Secret;

/// Rounds.
const ROUNDS: u32 = 100_000;

/// The fingerprint of a password, 16 hexadecimal digits.
fn fingerprint(password: &[u8], salt: &[u8]) -> String {
    let mut key = [0_u8; 8];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut key);
    hex(&key)
}

/// The fingerprint of the password of a chain: equal passwords of one chain have equal ones.
pub fn fingerprint_of(password: &Secret, job: &str, source: &str) -> String {
    fingerprint(password.reveal().as_bytes(), format!("vex seal\n{job}\n{source}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passwords_have_two_fingerprints_and_none_is_in_them() {
        let one = fingerprint(b"CANARY-A", b"salt");
        assert_eq!(one, fingerprint(b"CANARY-A", b"salt"));
        assert_ne!(one, fingerprint(b"CANARY-B", b"salt"));
        assert_ne!(one, fingerprint(b"CANARY-A", b"other"));
        assert_eq!(one.len(), 16);
    }
}
