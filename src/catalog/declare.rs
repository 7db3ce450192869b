//! What a job file says, as pages need it: they read this, never a job file.
//!
//! A run declares its file. The rows of that (host, file) are replaced in one transaction, so that
//! what the file no more says is gone, and a reader sees the old or the new.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sql::values;

/// What one job file says on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Name of the machine.
    pub host: String,
    /// The job file, absolute.
    pub file: String,
    /// When it was read.
    pub seen: String,
    /// Its jobs.
    pub jobs: Vec<DeclaredJob>,
    /// Its sources.
    pub sources: Vec<DeclaredSource>,
    /// What its jobs back up.
    pub chains: Vec<DeclaredChain>,
    /// Where to.
    pub copies: Vec<DeclaredCopy>,
}

/// A job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredJob {
    /// Its name.
    pub job: String,
    /// When it is due, as written; empty when it has no schedule.
    pub schedule: String,
    /// The zone it counts in.
    pub zone: String,
    /// It is late when it is not proven in this many seconds.
    pub within_s: Option<u64>,
    /// Chains at once.
    pub parallel: usize,
    /// Whether it takes part.
    pub enabled: bool,
}

/// A source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredSource {
    /// Its name.
    pub source: String,
    /// Its kind as the language says it.
    pub kind: String,
    /// Where it is, for people and without secrets: `MySQL · db1.internal`.
    pub address: String,
    /// Where that is; empty when the file does not say.
    pub site: String,
    /// Whether drills may overwrite it.
    pub scratch: bool,
    /// How soon it is to be back, if the file says it.
    pub restore_within_s: Option<u64>,
}

/// What is backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredChain {
    /// The job.
    pub job: String,
    /// `dump`, `physical`.
    pub verb: String,
    /// The source as the file names it.
    pub source: String,
    /// What its artifacts are of.
    pub chain: String,
    /// Whether its artifacts are sealed.
    pub sealed: bool,
    /// Its place in the file.
    pub number: usize,
}

/// Where a chain is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredCopy {
    /// The job.
    pub job: String,
    /// What its artifacts are of.
    pub chain: String,
    /// The store.
    pub store: String,
    /// What messages call the store.
    pub place: String,
    /// What is kept there, as written.
    pub keep_text: String,
    /// Whether a run goes well without it.
    pub optional: bool,
    /// Whether the chain proves this copy.
    pub verified: bool,
    /// Where that is; empty when the file does not say.
    pub site: String,
}

impl Catalog {
    /// Notes what a file says, instead of what it said.
    pub fn declare(&mut self, d: &Declaration) -> Result<(), CatalogError> {
        self.transaction(|sql| {
            for table in ["declared_job", "declared_source", "declared_chain", "declared_copy"] {
                let delete = format!("DELETE FROM {table} WHERE host=? AND file=?");
                sql.execute(&delete, values![&d.host, &d.file])?;
            }
            let mut put = |table: &str, columns: &str, own: &[crate::catalog::value::Value]| {
                let holders = ",?".repeat(own.len());
                let insert = format!(
                    "INSERT INTO {table} (host,file,seen,{columns}) VALUES (?,?,?{holders})"
                );
                let all = [values![&d.host, &d.file, &d.seen], own].concat();
                sql.execute(&insert, &all).map(drop)
            };
            for j in &d.jobs {
                let columns = "job,schedule,zone,within_s,parallel_chains,enabled";
                let row = values![&j.job, &j.schedule, &j.zone, j.within_s, j.parallel, j.enabled];
                put("declared_job", columns, row)?;
            }
            for s in &d.sources {
                let columns = "source,kind,address,site,scratch,restore_within_s";
                let (within, scratch) = (s.restore_within_s, s.scratch);
                let row = values![&s.source, &s.kind, &s.address, &s.site, scratch, within];
                put("declared_source", columns, row)?;
            }
            for c in &d.chains {
                let columns = "job,verb,source,chain,sealed,number";
                let row = values![&c.job, &c.verb, &c.source, &c.chain, c.sealed, c.number];
                put("declared_chain", columns, row)?;
            }
            for c in &d.copies {
                let columns = "job,chain,store,place,keep_text,optional,verified,site";
                let (keep, site, verified) = (&c.keep_text, &c.site, c.verified);
                let row =
                    values![&c.job, &c.chain, &c.store, &c.place, keep, c.optional, verified, site];
                put("declared_copy", columns, row)?;
            }
            Ok(())
        })
    }
}
