//! All that overviews need: what the files declare, what ran lately, what is proven, and where.

use std::collections::BTreeMap;

use crate::catalog::error::CatalogError;
use crate::catalog::meta::LAST_PROOF;
use crate::catalog::open::Catalog;
use crate::catalog::pages::copy::HeldCopy;
use crate::catalog::pages::list::Totals;
use crate::catalog::pages::one::ListedRun;
use crate::catalog::pages::row::{BACKUP, ListedBackup, backup};
use crate::catalog::value::{Row, Value};

/// A job as the newest run of its file declared it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownJob {
    /// The machine.
    pub host: String,
    /// The job file.
    pub file: String,
    /// The job.
    pub job: String,
    /// Cron fields; empty where it has none.
    pub schedule: String,
    /// Its zone; empty for the machine's.
    pub zone: String,
    /// How old its newest proven copies may be, in seconds.
    pub within: Option<i64>,
    /// When it was declared.
    pub seen: String,
}

/// A chain as the newest run of its file declared it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownChain {
    /// Its job.
    pub job: KnownJob,
    /// `dump`, `physical`.
    pub verb: String,
    /// The source.
    pub source: String,
    /// What its artifacts are of.
    pub chain: String,
    /// Whether its archives are sealed.
    pub sealed: bool,
    /// What the source is, for people: `MySQL · db1.internal`.
    pub label: String,
    /// Where the source is.
    pub site: String,
    /// How long a restore may take, in seconds.
    pub restore_within: Option<i64>,
    /// Where it is sent.
    pub copies: Vec<KnownCopy>,
}

/// A copy as a file declares it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownCopy {
    /// The store.
    pub store: String,
    /// What messages call it.
    pub place: String,
    /// What is kept there: `daily=7 weekly=4`.
    pub keep: String,
    /// Whether its failure is only an Alerta.
    pub optional: bool,
    /// Whether the chain verifies it.
    pub verified: bool,
    /// Where the store is.
    pub site: String,
}

/// A restore drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drill {
    /// Its identity.
    pub id: String,
    /// When.
    pub at: String,
    /// The source.
    pub source: String,
    /// The backup.
    pub backup: String,
    /// The store it was read from.
    pub store: String,
    /// What it was restored into.
    pub target: String,
    /// How well.
    pub verdict: u8,
    /// Tables compared.
    pub tables: Option<u64>,
    /// Rows compared.
    pub rows: Option<u64>,
    /// How long it took, in seconds.
    pub rto: Option<i64>,
    /// Who or what asked for it.
    pub who: String,
    /// Why it failed.
    pub message: String,
}

/// A remark: a correction to a drill, or an exception with an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remark {
    /// When.
    pub at: String,
    /// Who wrote it.
    pub who: String,
    /// `correction` or `exception`.
    pub kind: String,
    /// The drill it is of; empty for none.
    pub drill: String,
    /// The source it is of.
    pub source: String,
    /// What it says.
    pub body: String,
    /// Who takes care of it.
    pub owner: String,
    /// Whether it is still open.
    pub open: bool,
}

/// A schedule that the dashboard holds against the file's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// The machine.
    pub host: String,
    /// The job file.
    pub file: String,
    /// The job.
    pub job: String,
    /// `on` or `off`.
    pub state: String,
    /// Cron fields, where it is on.
    pub schedule: String,
    /// Who chose it.
    pub who: String,
    /// When.
    pub at: String,
}

/// A machine that ran `vex run --due`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSeen {
    /// Its name.
    pub host: String,
    /// When it last did.
    pub due: Option<String>,
}

/// The file, the job and the chain.
pub type ChainKey = (String, String, String);

/// A backup with its copies.
pub type WithCopies = (ListedBackup, Vec<HeldCopy>);

/// Bytes that came (or went), by day (`YYYY-MM-DD`).
pub type Moved = Vec<(String, i64)>;

/// A store's name and place, the bytes it holds, and those that came and went.
pub type Growth = (String, String, i64, Moved);

/// All of it, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Estate {
    /// Chains, in the order of their files.
    pub chains: Vec<KnownChain>,
    /// Jobs.
    pub jobs: Vec<KnownJob>,
    /// Backups since a moment, oldest first; with those that run.
    pub recent: Vec<ListedBackup>,
    /// The newest artifacts of each (file, job, chain), newest first, with their copies.
    pub newest: BTreeMap<ChainKey, Vec<WithCopies>>,
    /// Runs that have not ended.
    pub running: Vec<ListedRun>,
    /// Numbers of backups.
    pub totals: Totals,
    /// Number of runs.
    pub runs: u64,
    /// Restore drills, newest first.
    pub drills: Vec<Drill>,
    /// Remarks, newest first.
    pub remarks: Vec<Remark>,
    /// Schedules that the dashboard holds.
    pub overrides: Vec<Override>,
    /// Machines.
    pub hosts: Vec<HostSeen>,
}

/// How many of the newest backups of a chain are looked at.
const NEWEST: u64 = 45;

/// Chains that are asked for in one statement.
const AT_ONCE: usize = 40;

/// One question for each of several, as one statement.
fn each(one: &str, count: usize) -> String {
    vec![one; count].join(" UNION ALL ")
}

impl Catalog {
    /// What overviews need; `since` is where the recent backups begin.
    pub fn estate(&mut self, since: &str) -> Result<Estate, CatalogError> {
        let jobs = self.declared_jobs()?;
        let chains = self.declared_chains(&jobs)?;
        let sql = format!(
            "SELECT {BACKUP} FROM backup b WHERE b.started >= ? ORDER BY b.started, b.number"
        );
        let recent: Vec<ListedBackup> =
            self.query(&sql, &[Value::from(since)])?.iter().map(backup).collect();
        let mut keys: Vec<(String, String, String)> = chains
            .iter()
            .map(|c| (c.job.file.clone(), c.job.job.clone(), c.chain.clone()))
            .chain(recent.iter().map(|b| (b.file.clone(), b.job.clone(), b.chain.clone())))
            .collect();
        keys.sort();
        keys.dedup();
        let mut newest = BTreeMap::new();
        for some in keys.chunks(AT_ONCE) {
            newest.extend(self.newest_of(some)?);
        }
        Ok(Estate {
            recent,
            newest,
            running: self.running()?,
            totals: self.totals()?,
            runs: self.run_count()?,
            drills: self.drills()?,
            remarks: self.remarks()?,
            overrides: self.overrides()?,
            hosts: self.hosts()?,
            jobs,
            chains,
        })
    }

    fn declared_jobs(&mut self) -> Result<Vec<KnownJob>, CatalogError> {
        let sql = "SELECT host, file, job, schedule, zone, within_s, seen FROM declared_job WHERE enabled = 1 ORDER BY file, job, seen";
        let row = |row: &Row| KnownJob {
            host: row.text(0).to_owned(),
            file: row.text(1).to_owned(),
            job: row.text(2).to_owned(),
            schedule: row.text(3).to_owned(),
            zone: row.text(4).to_owned(),
            within: row.opt_int(5),
            seen: row.text(6).to_owned(),
        };
        Ok(self.query(sql, &[])?.iter().map(row).collect())
    }

    /// One chain for each (file, job, chain): several hosts may run one job on purpose; the newest
    /// declaration counts.
    fn declared_chains(&mut self, jobs: &[KnownJob]) -> Result<Vec<KnownChain>, CatalogError> {
        let sql = "SELECT host, file, job, chain, store, place, keep_text, optional, site, verified FROM declared_copy ORDER BY store";
        let mut copies: BTreeMap<[String; 4], Vec<KnownCopy>> = BTreeMap::new();
        for row in self.query(sql, &[])? {
            let key = [0, 1, 2, 3].map(|i| row.text(i).to_owned());
            copies.entry(key).or_default().push(KnownCopy {
                store: row.text(4).to_owned(),
                place: row.text(5).to_owned(),
                keep: row.text(6).to_owned(),
                optional: row.int(7) != 0,
                site: row.text(8).to_owned(),
                verified: row.int(9) != 0,
            });
        }
        let sql = "SELECT c.host, c.file, c.job, c.chain, c.verb, c.source, c.sealed, s.address, s.site, s.restore_within_s FROM \
                   declared_chain c LEFT JOIN declared_source s ON s.host = c.host AND s.file = c.file AND s.source = c.source \
                   ORDER BY c.file, c.seen, c.number";
        let mut chains: Vec<KnownChain> = Vec::new();
        for row in self.query(sql, &[])? {
            let [host, file, job, chain] = [0, 1, 2, 3].map(|i| row.text(i).to_owned());
            let Some(declared) =
                jobs.iter().find(|j| j.host == host && j.file == file && j.job == job)
            else {
                continue;
            };
            let declared = KnownChain {
                copies: copies.get(&[host, file, job, chain.clone()]).cloned().unwrap_or_default(),
                job: declared.clone(),
                verb: row.text(4).to_owned(),
                source: row.text(5).to_owned(),
                chain,
                sealed: row.int(6) != 0,
                label: row.opt_text(7).unwrap_or_default().to_owned(),
                site: row.opt_text(8).unwrap_or_default().to_owned(),
                restore_within: row.opt_int(9),
            };
            let same = |c: &&mut KnownChain| {
                c.job.file == declared.job.file
                    && c.job.job == declared.job.job
                    && c.chain == declared.chain
            };
            match chains.iter_mut().find(same) {
                Some(known) if known.job.seen > declared.job.seen => {}
                Some(known) => *known = declared,
                None => chains.push(declared),
            }
        }
        Ok(chains)
    }

    /// The newest backups of some chains that were read, with their copies: three questions for all
    /// of them.
    fn newest_of(
        &mut self,
        keys: &[ChainKey],
    ) -> Result<BTreeMap<ChainKey, Vec<WithCopies>>, CatalogError> {
        let own = "b.file = ? AND b.job = ? AND b.source = ? AND b.verdict IS NOT NULL";
        let one = format!(
            "SELECT * FROM (SELECT {BACKUP} FROM backup b WHERE {own} ORDER BY b.started DESC LIMIT {NEWEST}) n"
        );
        let values = keys.iter().flat_map(|(file, job, chain)| [file, job, chain]);
        let mut backups: BTreeMap<ChainKey, Vec<ListedBackup>> = BTreeMap::new();
        for row in
            self.query(&each(&one, keys.len()), &values.map(Value::from).collect::<Vec<_>>())?
        {
            let backup = backup(&row);
            let key = (backup.file.clone(), backup.job.clone(), backup.chain.clone());
            backups.entry(key).or_default().push(backup);
        }
        // Two jobs may have a chain of one name.
        let mut oldest: BTreeMap<String, String> = BTreeMap::new();
        for backup in backups.values().flatten() {
            let id = oldest.entry(backup.chain.clone()).or_insert_with(|| backup.id.clone());
            if backup.id < *id {
                id.clone_from(&backup.id);
            }
        }
        let mut copies = self.copies_from(&oldest)?;
        let mut with_copies = |backup: ListedBackup| {
            let key = (backup.chain.clone(), backup.id.clone());
            let copies = copies.remove(&key).unwrap_or_default();
            (backup, copies)
        };
        let mut newest = BTreeMap::new();
        for (key, mut backups) in backups {
            backups.sort_by(|a, b| (&b.started, b.number).cmp(&(&a.started, a.number)));
            newest.insert(key, backups.into_iter().map(&mut with_copies).collect());
        }
        Ok(newest)
    }

    /// The copies of the artifacts of chains from one of each on, by chain and artifact.
    fn copies_from(
        &mut self,
        oldest: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<(String, String), Vec<HeldCopy>>, CatalogError> {
        let mut copies: BTreeMap<(String, String), Vec<HeldCopy>> = BTreeMap::new();
        if oldest.is_empty() {
            return Ok(copies);
        }
        // IDs begin with their moment, so that the copies of these are those from the oldest on.
        let one = "SELECT c.id, c.source, c.store, c.place, c.bucket, c.object_key, c.bytes, c.started, c.finished, c.verdict, \
                   c.message, c.removed FROM copy c WHERE c.source = ? AND c.id >= ?";
        let values: Vec<Value> =
            oldest.iter().flat_map(|(chain, id)| [chain, id].map(Value::from)).collect();
        for row in self.query(&each(one, oldest.len()), &values)? {
            let key = (row.text(1).to_owned(), row.text(0).to_owned());
            copies.entry(key).or_default().push(HeldCopy::of(&row));
        }
        let one = "SELECT p.id, p.source, p.store, p.level, p.at, p.good, p.damage FROM proof p WHERE p.source = ? AND p.id >= ?";
        let mut proofs = self.query(&each(one, oldest.len()), &values)?;
        proofs.sort_by(|a, b| a.text(4).cmp(b.text(4)));
        for row in proofs {
            let key = (row.text(1).to_owned(), row.text(0).to_owned());
            let of = copies.get_mut(&key).into_iter().flatten();
            for copy in of.filter(|c| c.store == row.text(2)) {
                copy.prove(row.text(3), row.text(4), row.int(5) != 0, row.text(6));
            }
        }
        Ok(copies)
    }

    /// A text that differs where something of what overviews show changed.
    pub fn mark(&mut self) -> Result<String, CatalogError> {
        // Each of them is one look into an index, or at a table of a few rows.
        let looks = [
            "max(started) FROM run",
            "max(finished) FROM run",
            "max(beat) FROM run WHERE finished IS NULL",
            "max(finished) FROM copy",
            "max(removed) FROM copy",
            "max(number) FROM backup",
            "max(finished) FROM backup",
            "max(at) FROM drill",
            "max(number) FROM remark",
            "count(*) FROM schedule_override",
            "max(at) FROM schedule_override",
            "count(*) FROM declared_job WHERE enabled = 1",
            "max(seen) FROM declared_job",
            "max(due_seen) FROM host",
        ]
        .map(|look| format!("(SELECT {look})"));
        let sql =
            format!("SELECT {}, (SELECT value_text FROM meta WHERE name = ?)", looks.join(", "));
        Ok(format!("{:?}", self.query(&sql, &[Value::from(LAST_PROOF)])?))
    }

    /// Restore drills, newest first.
    pub fn drills(&mut self) -> Result<Vec<Drill>, CatalogError> {
        let sql = "SELECT id, at, source, backup, store, target, verdict, table_count, row_count, rto_s, who, message FROM drill \
                   ORDER BY at DESC LIMIT 500";
        let row = |row: &Row| Drill {
            id: row.text(0).to_owned(),
            at: row.text(1).to_owned(),
            source: row.text(2).to_owned(),
            backup: row.text(3).to_owned(),
            store: row.text(4).to_owned(),
            target: row.text(5).to_owned(),
            verdict: u8::try_from(row.int(6)).unwrap_or(3),
            tables: row.opt_int(7).and_then(|n| u64::try_from(n).ok()),
            rows: row.opt_int(8).and_then(|n| u64::try_from(n).ok()),
            rto: row.opt_int(9),
            who: row.text(10).to_owned(),
            message: row.text(11).to_owned(),
        };
        Ok(self.query(sql, &[])?.iter().map(row).collect())
    }

    /// Remarks, newest first.
    pub fn remarks(&mut self) -> Result<Vec<Remark>, CatalogError> {
        let sql = "SELECT at, who, kind, drill, source, body, owner, open FROM remark ORDER BY at DESC LIMIT 500";
        let row = |row: &Row| Remark {
            at: row.text(0).to_owned(),
            who: row.text(1).to_owned(),
            kind: row.text(2).to_owned(),
            drill: row.text(3).to_owned(),
            source: row.text(4).to_owned(),
            body: row.text(5).to_owned(),
            owner: row.text(6).to_owned(),
            open: row.int(7) != 0,
        };
        Ok(self.query(sql, &[])?.iter().map(row).collect())
    }

    /// Schedules that the dashboard holds against the files'.
    pub fn overrides(&mut self) -> Result<Vec<Override>, CatalogError> {
        let sql = "SELECT host, file, job, state, schedule, who, at FROM schedule_override";
        let row = |row: &Row| Override {
            host: row.text(0).to_owned(),
            file: row.text(1).to_owned(),
            job: row.text(2).to_owned(),
            state: row.text(3).to_owned(),
            schedule: row.text(4).to_owned(),
            who: row.text(5).to_owned(),
            at: row.text(6).to_owned(),
        };
        Ok(self.query(sql, &[])?.iter().map(row).collect())
    }

    fn hosts(&mut self) -> Result<Vec<HostSeen>, CatalogError> {
        let sql = "SELECT name, due_seen FROM host ORDER BY name";
        let row = |row: &Row| HostSeen {
            host: row.text(0).to_owned(),
            due: row.opt_text(1).map(str::to_owned),
        };
        Ok(self.query(sql, &[])?.iter().map(row).collect())
    }

    /// What each store holds: store, place, and bytes that came and went, by day (`YYYY-MM-DD`).
    pub fn growth(&mut self, since: &str) -> Result<Vec<Growth>, CatalogError> {
        let mut stores: BTreeMap<(String, String), (i64, Moved)> = BTreeMap::new();
        let sql = "SELECT store, place, sum(bytes) FROM copy WHERE verdict = 1 AND removed IS NULL GROUP BY store, place";
        for row in self.query(sql, &[])? {
            stores.entry((row.text(0).to_owned(), row.text(1).to_owned())).or_default().0 =
                row.int(2);
        }
        for (column, sign) in [("finished", 1), ("removed", -1)] {
            let sql = format!(
                "SELECT store, place, substr({column}, 1, 10), sum(bytes) FROM copy WHERE verdict = 1 AND {column} >= ? \
                 GROUP BY store, place, substr({column}, 1, 10)"
            );
            for row in self.query(&sql, &[Value::from(since)])? {
                let key = (row.text(0).to_owned(), row.text(1).to_owned());
                stores.entry(key).or_default().1.push((row.text(2).to_owned(), sign * row.int(3)));
            }
        }
        Ok(stores
            .into_iter()
            .map(|((store, place), (now, moved))| (store, place, now, moved))
            .collect())
    }
}
