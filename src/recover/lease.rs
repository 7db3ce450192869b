//! A shared lease of the folders that are read: nobody removes what is read now.
//!
//! Invariant: a lease that can't be written stops no reader.

use std::sync::Arc;

use crate::artifact::Naming;
use crate::recover::operator::Work;
use crate::shelf::{Holder, Reading};
use crate::store::contract::Store;

/// Reads what stands under `keys` while nobody removes it; of a lone file, which is in no folder of
/// vex, there is no lease.
pub(super) fn leased<T, E>(
    place: &Option<Arc<dyn Store>>,
    keys: &[String],
    work: Work<'_>,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let Some(store) = place else { return read() };
    let folders: Vec<Naming> = keys.iter().map(|key| Naming::of_key(key)).collect();
    let folders: Vec<&str> = folders.iter().map(Naming::folder).collect();
    let holder = Holder::new(work.world, "a reader");
    let (reading, remark) = Reading::begin(store, &folders, &holder, work.stop);
    remark.iter().for_each(|remark| work.warn(remark));
    let done = read();
    reading.end().iter().for_each(|remark| work.warn(remark));
    done
}
