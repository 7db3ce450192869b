//! What seals what a job writes.

use crate::artifact::{Recipients, Sealing, may_seal};
use crate::base::Stop;
use crate::plan::Archive;
use crate::recover::Fault;
use crate::world::reveal;

/// What is about to seal an archive; a password that 7-Zip could not open it with is refused.
pub fn sealing(archive: &Archive, stop: &Stop) -> Result<Option<Sealing>, Fault> {
    if !archive.recipients.is_empty() {
        let recipients =
            Recipients::parse(&archive.recipients).expect("BUG: recipients that were not checked");
        return Ok(Some(Sealing::Age(recipients)));
    }
    let Some(reference) = &archive.password else { return Ok(None) };
    let password = reveal(reference, stop)?;
    may_seal(password.reveal()).map_err(|e| Fault::Seal(reference.clone(), e))?;
    Ok(Some(Sealing::Password(password)))
}
