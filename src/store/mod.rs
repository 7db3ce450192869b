//! Where bytes rest.

pub mod contract;
mod dir;
mod memory;
mod pointed;
mod s3;

use std::sync::Arc;

pub use dir::Dir;
pub use memory::Memory;
pub use s3::{Pace, S3};

use crate::base::Stop;
use crate::job::StoreSpec;
use crate::store::contract::{Result, Store};
use crate::store::pointed::Pointed;
use crate::world::World;

/// How many parts are sent to a bucket at once.
const LANES: usize = 4;

/// How many parts are best sent at once to such a store.
pub fn lanes(spec: &StoreSpec) -> usize {
    match spec {
        StoreSpec::Dir(_) => dir::LANES,
        StoreSpec::S3(_) => LANES,
    }
}

/// Opens a store as it was declared.
pub fn open(spec: &StoreSpec, world: &World, stop: &Stop) -> Result<Arc<dyn Store>> {
    let store: Arc<dyn Store> = match spec {
        StoreSpec::Dir(spec) => Arc::new(Dir::open(spec, world)?),
        StoreSpec::S3(spec) => Arc::new(S3::open(spec, world, LANES, stop)?),
    };
    // Points are for tests of a crash; a release build has none.
    Ok(if cfg!(debug_assertions) { Arc::new(Pointed(store)) } else { store })
}
