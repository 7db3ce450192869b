//! Where bytes rest.

pub mod contract;
mod dir;
mod failpoints;
mod memory;
mod probe;
mod s3;
mod sftp;
mod temporary;

use std::sync::Arc;
use std::time::Duration;

pub use dir::Dir;
pub use memory::Memory;
pub use s3::{Pace, S3};
pub use sftp::Sftp;

use crate::base::{Finding, Stop};
use crate::job::StoreSpec;
use crate::store::contract::{Coming, Result, Store};
use crate::store::failpoints::WithFailpoints;
use crate::world::World;

/// How many parts are sent to a bucket at once.
const LANES: usize = 4;

/// How many parts are best sent at once to such a store.
pub fn lanes(spec: &StoreSpec) -> usize {
    match spec {
        StoreSpec::Dir(_) => dir::LANES,
        StoreSpec::S3(_) => LANES,
        StoreSpec::Sftp(_) => sftp::LANES,
    }
}

/// Examines a store; an error is one that can't be opened. Less patient than a run: somebody waits
/// for the answer.
pub fn examine(
    spec: &StoreSpec,
    coming: &Coming,
    world: &World,
    stop: &Stop,
) -> Result<Vec<Finding>> {
    match spec {
        StoreSpec::Dir(spec) => Ok(Dir::open(spec, world)?.examine(coming, stop)),
        StoreSpec::S3(spec) => {
            let (stall, longest) = (Duration::from_secs(20), Duration::from_secs(2));
            let pace = Pace { stall, longest, tries: 3, ..Pace::new(LANES) };
            Ok(S3::open_with(spec, world, pace, stop)?.examine(coming, stop))
        }
        StoreSpec::Sftp(spec) => Ok(Sftp::open(spec, world)?.examine(coming, stop)),
    }
}

/// How patient a run is. A test of what lasts does not wait a minute for it to pass; a release
/// build knows no such haste.
fn patience() -> Pace {
    let pace = Pace::new(LANES);
    match cfg!(debug_assertions) && std::env::var_os("VEX_TEST_HASTE").is_some() {
        true => Pace { first: Duration::from_millis(1), ..pace },
        false => pace,
    }
}

/// Opens a store as it was declared.
pub fn open(spec: &StoreSpec, world: &World, stop: &Stop) -> Result<Arc<dyn Store>> {
    let store: Arc<dyn Store> = match spec {
        StoreSpec::Dir(spec) => Arc::new(Dir::open(spec, world)?),
        StoreSpec::S3(spec) => Arc::new(S3::open_with(spec, world, patience(), stop)?),
        StoreSpec::Sftp(spec) => Arc::new(Sftp::open(spec, world)?),
    };
    // Points are for tests of a crash; a release build has none.
    Ok(if cfg!(debug_assertions) { Arc::new(WithFailpoints(store)) } else { store })
}
