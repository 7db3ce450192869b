//! One worker's entries on their way into a target, and what becomes of those that it refuses.
//!
//! Knows a target, not which server it is. Refused rows are tried again by halves, so that as few
//! as possible stay behind; how often is bounded for each table.

use crate::artifact::{EntryLine, Half, Kind, Manifest, halves};
use crate::base::Stop;
use crate::pipeline::refusals::Refusals;
use crate::pipeline::stage::Error;
use crate::source::contract::{Error as Refusal, ErrorKind, Load, Target, is_refusal};

/// How often an entry is tried that another worker's locked out.
const TRIES: u32 = 5;

/// A worker that loads.
pub struct Loader<'a> {
    /// What its entries are of.
    pub manifest: &'a Manifest,
    /// Where they go.
    pub target: &'a dyn Target,
    /// Where refused things go.
    pub refusals: &'a Refusals<'a>,
    /// Its number.
    pub worker: usize,
    /// Stops when another worker fails.
    pub stop: &'a Stop,
}

impl Loader<'_> {
    /// Loads an entry, or notes that it was refused.
    pub fn take(&self, entry: &EntryLine, offset: u64, bytes: Vec<u8>) -> Result<(), Error> {
        self.stop.check()?;
        let member = &self.manifest.members[entry.member];
        if member.kind != Kind::Rows && self.refusals.passes(entry.member, &bytes) {
            return Ok(());
        }
        let Some(error) = self.refused(entry.member, offset, &bytes)? else { return Ok(()) };
        match member.kind {
            // A file is of one piece.
            Kind::File => Err(error.into()),
            Kind::Rows => {
                let rows = entry.rows.map_or(0, |proof| proof.rows);
                self.rows(entry.member, Half { bytes, rows }, error)
            }
            _ => {
                self.refusals.definition(entry.member, &bytes, error);
                Ok(())
            }
        }
    }

    /// Loads bytes of a member; returns why the target refused them, if it did.
    fn refused(&self, index: usize, offset: u64, bytes: &[u8]) -> Result<Option<Refusal>, Error> {
        let member = &self.manifest.members[index];
        let mut tries = 1;
        loop {
            let load = Load { member, offset, bytes };
            match self.target.load(self.worker, load, self.stop) {
                Ok(()) => return Ok(None),
                Err(error) if error.kind == ErrorKind::Busy && tries < TRIES => tries += 1,
                Err(error) if is_refusal(error.kind) => return Ok(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Refused rows: what of them is taken by itself comes back.
    fn rows(&self, index: usize, part: Half, error: Refusal) -> Result<(), Error> {
        let (target, member) = (self.target, &self.manifest.members[index]);
        if !target.takes_all_or_nothing(member, self.stop)? {
            self.refusals.some_rows(index, error);
            return Ok(());
        }
        let dialect = target.dialect();
        let cut = dialect.filter(|_| self.refusals.may_try(index));
        let Some(cut) = cut.and_then(|dialect| halves(dialect, &part.bytes)) else {
            self.refusals.rows(index, &part, dialect, error);
            return Ok(());
        };
        drop(part);
        for half in cut {
            self.stop.check()?;
            if let Some(error) = self.refused(index, 0, &half.bytes)? {
                self.rows(index, half, error)?;
            }
        }
        Ok(())
    }
}
