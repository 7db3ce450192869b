//! Passwords: hashed by Argon2id, two at a time.
//!
//! Invariants: an account that does not exist takes as long as one that does; memory is bounded by
//! the number of hashes at once (19 MiB each, the parameters of the crate, which are OWASP's), and
//! kept for the next ones: what is given back stays with the thread that had it, once for each.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::Output;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};

use crate::base::Secret;

/// Hashes at once.
const AT_ONCE: usize = 2;

/// Logins that wait for a hash; more are turned away.
const WAITING: usize = 16;

/// The shortest password.
pub const SHORTEST: usize = 8;

/// The longest one that is hashed.
pub const LONGEST: usize = 1024;

/// How many hash, and how many wait to.
static DESK: (Mutex<(usize, usize)>, Condvar) = (Mutex::new((0, 0)), Condvar::new());

/// Holds a place while it hashes.
struct Place;

impl Place {
    /// A place; `None` where too many wait.
    fn take() -> Option<Place> {
        let (state, freed) = &DESK;
        let mut now = state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.1 >= WAITING {
            return None;
        }
        now.1 += 1;
        while now.0 >= AT_ONCE {
            now = freed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
        now.0 += 1;
        now.1 -= 1;
        Some(Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (state, freed) = &DESK;
        state.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
        freed.notify_one();
    }
}

/// Memory of hashes that nobody needs now.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// Whether a password has a hash; `None` where the hash is none of ours.
fn fits(password: &[u8], known: &PasswordHash) -> Option<bool> {
    let algorithm = Algorithm::try_from(known.algorithm.as_str()).ok()?;
    let version = Version::try_from(known.version?).ok()?;
    let params = Params::try_from(known).ok()?;
    let (salt, expected) = (known.salt.as_ref()?, known.hash.as_ref()?);
    let blocks = params.block_count();
    let free = || MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = free().pop().unwrap_or_default();
    memory.resize(blocks.max(memory.len()), Block::default());
    let mut out = vec![0; expected.len()];
    let hasher = Argon2::new(algorithm, version, params);
    let made =
        hasher.hash_password_into_with_memory(password, salt, &mut out, &mut memory[..blocks]);
    if blocks <= Params::DEFAULT.block_count() {
        free().push(memory);
    }
    made.ok()?;
    // Outputs are compared in constant time.
    Some(Output::new(&out).ok()? == *expected)
}

/// What a password is compared with where there is no account.
fn nobody() -> &'static str {
    static NOBODY: OnceLock<String> = OnceLock::new();
    NOBODY.get_or_init(|| {
        let hash: Result<PasswordHash, _> = Argon2::default().hash_password(b"nobody");
        hash.map(|h| h.to_string()).unwrap_or_default()
    })
}

/// The hash of a password, as a PHC string; `None` where the machine gives no chance, or too many
/// wait.
pub fn hash(password: &Secret) -> Option<String> {
    let _place = Place::take()?;
    let hash: PasswordHash = Argon2::default().hash_password(password.reveal().as_bytes()).ok()?;
    Some(hash.to_string())
}

/// Whether a password is that of `known`, the hash of an account, if there is one; `None` where too
/// many wait.
pub fn verify(password: &Secret, known: Option<&str>) -> Option<bool> {
    let _place = Place::take()?;
    let password = password.reveal();
    let text = if password.len() <= LONGEST { password } else { "" };
    let Ok(hash) = PasswordHash::new(known.unwrap_or_else(|| nobody())) else { return Some(false) };
    let good = fits(text.as_bytes(), &hash) == Some(true);
    Some(good && known.is_some() && password.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_own_and_nobody_has_none() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let known = hash(&secret("uma frase longa")).expect("a hash");
        assert!(known.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{known}");
        assert_eq!(verify(&secret("uma frase longa"), Some(&known)), Some(true));
        assert_eq!(verify(&secret("uma frase Longa"), Some(&known)), Some(false));
        assert_eq!(verify(&secret("nobody"), None), Some(false));
        assert_eq!(verify(&secret("x"), Some("no hash")), Some(false));
        assert_eq!(
            verify(&secret("x"), Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ")),
            Some(false)
        );
        // The memory of other parameters is not that of the next hash.
        let small = "$argon2id$v=19$m=64,t=3,p=1$c29tZXNhbHQ$";
        assert_eq!(verify(&secret("x"), Some(small)), Some(false));
        assert_eq!(verify(&secret("uma frase longa"), Some(&known)), Some(true));
        assert_eq!(verify(&secret(&"x".repeat(LONGEST + 1)), Some(&known)), Some(false));
    }
}
