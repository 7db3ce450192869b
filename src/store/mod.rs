//! Where bytes rest.

pub mod contract;
mod dir;
mod memory;
mod s3;

use std::sync::Arc;

pub use dir::Dir;
pub use memory::Memory;
pub use s3::{Pace, S3};

use crate::base::Stop;
use crate::job::StoreSpec;
use crate::world::World;

/// How many parts are sent to a bucket at once.
const LANES: usize = 8;

/// Opens a store as it was declared.
pub fn open(spec: &StoreSpec, world: &World, stop: &Stop) -> contract::Result<Arc<dyn contract::Store>> {
    Ok(match spec {
        StoreSpec::Dir(spec) => Arc::new(Dir::open(spec, world)?),
        StoreSpec::S3(spec) => Arc::new(S3::open(spec, world, LANES, stop)?),
    })
}
