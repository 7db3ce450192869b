//! Every node of the language, with its fields. Data only.

mod blocks;
mod fields;
mod notify;
mod sources;
mod steps;
mod stores;

use crate::syntax::table::Kind;

/// The language, in the order in which it is documented.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    [blocks::BLOCKS, sources::SOURCES, stores::STORES, steps::STEPS, notify::NOTIFY]
        .into_iter()
        .flatten()
}
