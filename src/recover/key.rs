//! What opens a backup, once its head says how it is sealed.
//!
//! Knows references, and no store. A backup that is sealed for recipients of age and whose identity
//! nobody names has no key: its bytes can be proven, not its rows.

use crate::artifact::{Head, Identities, Key};
use crate::base::{SecretRef, Stop};
use crate::job::KeyRefs;
use crate::recover::fault::Fault;
use crate::world::{reveal, reveal_text};

/// What opens a backup, of what is named for it.
pub fn key_of(refs: &KeyRefs, head: &Head, stop: &Stop) -> Result<Option<Key>, Fault> {
    match (head.sealed(), head.sealed_by_age()) {
        (false, _) => Ok(None),
        (true, true) => refs.identity.as_ref().map(|r| identities(r, stop)).transpose(),
        (true, false) => password(refs, stop),
    }
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
