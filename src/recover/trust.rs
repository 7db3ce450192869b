//! Opens stores whose heads are held against the public keys of the site, and signed by its private
//! one where something is written.
//!
//! Whoever only reads needs no private key, and it is not looked for.

use std::sync::Arc;

use crate::artifact::{Signer, VerifyKey};
use crate::base::{SecretRef, Stop};
use crate::job::{StoreSpec, TrustSpec};
use crate::recover::fault::Fault;
use crate::shelf::Signed;
use crate::store::{self, contract::Store};
use crate::world::{World, reveal_text};

/// Opens a store to read from.
pub fn open_to_read(
    spec: &StoreSpec,
    trust: &TrustSpec,
    world: &World,
    stop: &Stop,
) -> store::contract::Result<Arc<dyn Store>> {
    Ok(Signed::over(store::open(spec, world, stop)?, None, keys(trust)))
}

/// Opens a store to write to.
pub fn open_to_write(
    spec: &StoreSpec,
    trust: &TrustSpec,
    world: &World,
    stop: &Stop,
) -> Result<Arc<dyn Store>, Fault> {
    let signer = trust.sign.as_ref().map(|reference| signer(reference, stop)).transpose()?;
    Ok(Signed::over(store::open(spec, world, stop)?, signer, keys(trust)))
}

/// The private key that a reference names.
pub fn signer(reference: &SecretRef, stop: &Stop) -> Result<Signer, Fault> {
    let text = reveal_text(reference, stop)?;
    Signer::parse(&text).map_err(|error| Fault::Signer(reference.clone(), error))
}

fn keys(trust: &TrustSpec) -> Vec<VerifyKey> {
    // `check` refused what is none.
    trust.verify.iter().filter_map(|text| VerifyKey::parse(text).ok()).collect()
}
