//! Where bytes rest.

mod azure;
pub mod contract;
mod dir;
mod failpoints;
mod gcs;
mod memory;
mod probe;
mod s3;
mod sftp;
mod temporary;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use azure::Azure;
pub use dir::Dir;
pub use gcs::open as open_gcs;
pub use memory::Memory;
pub use s3::S3;
pub use sftp::Sftp;
pub use wire::call::Pace;

use crate::base::{Finding, Stop};
use crate::job::StoreSpec;
use crate::store::contract::{Coming, Limits, Result, Store};
use crate::store::failpoints::WithFailpoints;
use crate::world::World;

/// How many parts are sent to a bucket at once.
const LANES: usize = 4;

/// What such a store keeps, and how much it takes, before it was opened.
pub fn limits(spec: &StoreSpec) -> Limits {
    match spec {
        StoreSpec::Dir(_) => dir::declared(),
        StoreSpec::S3(_) => s3::Flavor::Amazon.limits(LANES),
        StoreSpec::Gcs(spec) => s3::Flavor::Google { claims: spec.claim }.limits(LANES),
        StoreSpec::Azure(_) => azure::declared(LANES),
        StoreSpec::Sftp(_) => sftp::declared(),
    }
}

/// How many bytes are free in a store, where it is a folder that says so.
pub fn free(spec: &StoreSpec) -> Option<u64> {
    match spec {
        StoreSpec::Dir(spec) => dir::free(&spec.path),
        StoreSpec::S3(_) | StoreSpec::Azure(_) | StoreSpec::Gcs(_) | StoreSpec::Sftp(_) => None,
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
        StoreSpec::S3(spec) => Ok(S3::open_with(spec, world, haste(), stop)?.examine(coming, stop)),
        StoreSpec::Azure(spec) => {
            Ok(Azure::open(spec, world, haste(), stop)?.examine(coming, stop))
        }
        StoreSpec::Gcs(spec) => Ok(open_gcs(spec, world, haste(), stop)?.examine(coming, stop)),
        StoreSpec::Sftp(spec) => Ok(Sftp::open(spec, world)?.examine(coming, stop)),
    }
}

/// How patient an examination is.
fn haste() -> Pace {
    let (stall, longest) = (Duration::from_secs(20), Duration::from_secs(2));
    Pace { stall, longest, tries: 3, ..Pace::new(LANES) }
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
        StoreSpec::Azure(spec) => Arc::new(Azure::open(spec, world, patience(), stop)?),
        StoreSpec::Gcs(spec) => Arc::new(open_gcs(spec, world, patience(), stop)?),
        StoreSpec::Sftp(spec) => Arc::new(Sftp::open(spec, world)?),
    };
    // Points are for tests of a crash; a release build has none.
    Ok(if cfg!(debug_assertions) { Arc::new(WithFailpoints(store)) } else { store })
}
