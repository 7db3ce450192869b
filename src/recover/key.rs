//! What opens a backup, once its head says how it is sealed.
//!
//! Knows references, and no store. A backup that is sealed for recipients of age and whose identity
//! nobody names has no key: its bytes can be proven, not its rows.

use crate::artifact::{Head, Identities, Key, fingerprint_of};
use crate::base::{SecretRef, Stop};
use crate::job::KeyRefs;
use crate::recover::fault::Fault;
use crate::world::{reveal, reveal_text};

/// What opens a backup, of what is named for it.
pub fn key_of(refs: &KeyRefs, head: &Head, stop: &Stop) -> Result<Option<Key>, Fault> {
    match (head.sealed(), head.sealed_by_age()) {
        (false, _) => Ok(None),
        (true, true) => refs.identity.as_ref().map(|r| identities(r, stop)).transpose(),
        (true, false) if refs.previous.is_empty() => password(refs, stop),
        (true, false) => password_of(refs, head, stop),
    }
}

/// The password that the head names by its fingerprint; without one, the newest.
fn password_of(refs: &KeyRefs, head: &Head, stop: &Stop) -> Result<Option<Key>, Fault> {
    let all = || refs.password.iter().chain(&refs.previous);
    let Some(wanted) = head.seal.as_ref().and_then(|seal| seal.fingerprint.as_ref()) else {
        let newest = all().next().map(|reference| reveal(reference, stop)).transpose()?;
        return Ok(newest.map(Key::Password));
    };
    let mut tried = Vec::new();
    for reference in all() {
        match reveal(reference, stop) {
            Ok(found) if fingerprint_of(&found, &head.job, &head.source) == *wanted => {
                return Ok(Some(Key::Password(found)));
            }
            Ok(_) => tried.push(format!("{reference} is another")),
            Err(_) => tried.push(format!("{reference} can't be read")),
        }
    }
    Err(Fault::Nothing {
        doing: format!("open backup {} of {}", head.id, head.source),
        found: format!(
            "it is sealed with the password of fingerprint {wanted}, and of those that are named {}",
            tried.join(", ")
        ),
        hint: Some(
            "Name that password in a `previous` block of `archive`, or give it with --archive-password-file FILE."
                .into(),
        ),
    })
}

/// What opens a backup whose head is sealed as well.
pub fn key_unseen(refs: &KeyRefs, stop: &Stop) -> Result<Option<Key>, Fault> {
    match &refs.identity {
        Some(reference) => identities(reference, stop).map(Some),
        None => password(refs, stop),
    }
}

/// What was typed, and of the rest what the job file says.
pub fn preferred(typed: &KeyRefs, declared: &KeyRefs) -> KeyRefs {
    KeyRefs {
        password: typed.password.clone().or_else(|| declared.password.clone()),
        // Who types a password means that one.
        previous: match typed.password {
            Some(_) => Vec::new(),
            None => declared.previous.clone(),
        },
        identity: typed.identity.clone().or_else(|| declared.identity.clone()),
    }
}

pub(super) fn password(refs: &KeyRefs, stop: &Stop) -> Result<Option<Key>, Fault> {
    let found = refs.password.as_ref().map(|reference| reveal(reference, stop)).transpose()?;
    Ok(found.map(Key::Password))
}

pub(super) fn identities(reference: &SecretRef, stop: &Stop) -> Result<Key, Fault> {
    let text = reveal_text(reference, stop)?;
    let found = Identities::parse(&text).map_err(|e| Fault::Identity(reference.clone(), e))?;
    Ok(Key::Age(found))
}
