//! An artifact whose contents were looked up: its members, and the lines of those entries that a
//! step needs.
//!
//! Knows no source. Memory is bounded while all of it is read (`Windows`); what is restored has its
//! lines loaded.

use crate::artifact::{Head, Kind, Manifest, Member};
use crate::base::Stop;
use crate::pipeline::{Error, Windows};
use crate::recover::choice::{Names, is_about_account, is_archive, wanted};
use crate::recover::fault::Fault;
use crate::shelf::{Contents, ShelfError};
use crate::store::contract::Store;

/// An artifact whose contents are known.
pub struct Opened<'a> {
    store: &'a dyn Store,
    contents: &'a Contents,
    bare: Manifest,
}

impl<'a> Opened<'a> {
    /// Of contents that were read from `store`.
    pub fn new(store: &'a dyn Store, contents: &'a Contents) -> Opened<'a> {
        Opened { store, contents, bare: contents.bare() }
    }
}

impl Windows for Opened<'_> {
    fn bare(&self) -> &Manifest {
        &self.bare
    }

    fn count(&self) -> usize {
        self.contents.windows()
    }

    fn window(&self, number: usize, stop: &Stop) -> Result<Manifest, Error> {
        self.contents.window(self.store, number, stop).map_err(|error| match error {
            ShelfError::Store(error) => error.into(),
            ShelfError::Damage(damage) => damage.into(),
            ShelfError::Foreign(key) => Error::Panic(format!("{key} was read as if it were ours")),
        })
    }
}

/// The manifest of an artifact with all its entries.
pub fn load_all(store: &dyn Store, head: &Head, stop: &Stop) -> Result<Manifest, Fault> {
    let contents = Contents::open(store, head, stop)?;
    Ok(contents.load(store, &vec![true; contents.members.len()], stop)?)
}

/// Whose entries a restore of `only` may need: those it names, what only an archive's own table of
/// contents tells, databases themselves, and accounts.
pub fn needed(bare: &Manifest, only: &[String]) -> Vec<bool> {
    if only.is_empty() {
        return vec![true; bare.members.len()];
    }
    let always = |m: &Member| m.kind == Kind::Database || is_archive(m) || is_about_account(m);
    let mut needed: Vec<bool> = bare.members.iter().map(always).collect();
    for selector in only {
        // A name that stands in an archive only is unknown here; choosing says so, or finds it.
        let named = wanted(bare, Names::only(std::slice::from_ref(selector))).unwrap_or_default();
        needed.iter_mut().zip(named).for_each(|(needed, named)| *needed |= named);
    }
    needed
}
