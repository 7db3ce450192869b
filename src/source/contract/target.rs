//! What every target owes, in the order of a restore: terms, what exists, room, entries, what waited
//! for the rows, the recount, then what runs by itself, and last the end of the restore.
//!
//! Promises asked of every implementation:
//! - what the server would not take keeps nothing else away;
//! - nothing is let loose that was not proven: `release` takes a [`Proven`];
//! - killed before `finish`, it does not count as restored, and the next restore goes on or begins
//!   again;
//! - a lost connection is an error, never a silent reconnect.

use crate::artifact::{Dialect, Member, Position, Proof};
use crate::base::Stop;
use crate::source::error::{Error, ErrorKind, Result};

/// What is to be loaded.
#[derive(Debug, Clone)]
pub struct Loading {
    /// Identity of the backup they are of, as its mark in a target names it.
    pub backup: String,
    /// The chosen members, in restore order.
    pub members: Vec<Member>,
    /// Another name for the one unit.
    pub rename: Option<String>,
    /// Whether this is a part of the units only, into what else is there.
    pub part: bool,
    /// Whether objects that exist may be replaced.
    pub overwrite: bool,
    /// Whether the target is there to be overwritten: nothing of it is worth keeping.
    pub scratch: bool,
    /// Version of the server the members come from.
    pub server: String,
    /// Whether an interrupted restore of the same goes on: tables that are proven to be there stay.
    pub resume: bool,
    /// Bytes of the files of dump programs among them, which may have to be staged.
    pub staged: u64,
    /// Where the backup stands in the log of the server it comes from.
    pub position: Option<Position>,
    /// How the target is treated.
    pub terms: Terms,
    /// Collations of definitions that become others where the target lacks them (MySQL, MariaDB):
    /// the old name, and the new one or several, parted by `|`, of which the first is taken that
    /// the target knows.
    pub map_collation: Vec<(String, String)>,
}

/// How a server is treated that is restored into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether the restoring account becomes the definer of views, routines, triggers and events.
    pub current_definer: bool,
    /// Whether the GTID state of the backup becomes the target's.
    pub gtid: bool,
    /// Whether nothing of the restore goes into the target's own binary log.
    pub skip_binlog: bool,
}

/// One entry on its way into a target.
#[derive(Debug)]
pub struct Load<'a> {
    /// Whose entry it is.
    pub member: &'a Member,
    /// Where its bytes stand in the member, for a file.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What a target would not take. Everything else comes back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    /// What it is, as a title.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do, as a sentence.
    pub hint: Option<String>,
    /// The database it belongs to, by its name in the target; empty for what has none.
    pub unit: String,
    /// The statements that would make it, complete with their session; nothing where they may hold
    /// a secret, or are too many.
    pub sql: Option<Vec<u8>>,
    /// How many rows did not come back.
    pub rows: u64,
}

impl Refused {
    /// A thing, and why it was refused.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Refused {
        Refused { what: what.into(), why: why.into(), ..Refused::default() }
    }

    /// The same, with what would make it.
    pub fn with_sql(self, unit: &str, sql: impl Into<Vec<u8>>) -> Refused {
        Refused { unit: unit.to_owned(), sql: Some(sql.into()), ..self }
    }
}

/// Says that all that came back is what the manifest says. Only a recount without a difference
/// makes one, so nothing that runs by itself can be let loose before it.
///
/// ```
/// use vex::testing::base::Stop;
/// use vex::testing::source::contract::{Proven, Refused, Result, Target};
///
/// fn end(target: &dyn Target, proven: &Proven, stop: &Stop) -> Result<Vec<Refused>> {
///     target.release(proven, stop)
/// }
/// ```
///
/// Without it nothing is let loose:
///
/// ```compile_fail,E0061
/// use vex::testing::base::Stop;
/// use vex::testing::source::contract::{Refused, Result, Target};
///
/// fn end(target: &dyn Target, stop: &Stop) -> Result<Vec<Refused>> {
///     target.release(stop)
/// }
/// ```
///
/// And nobody makes one by hand:
///
/// ```compile_fail,E0423
/// use vex::testing::source::contract::Proven;
///
/// fn forged() -> Proven {
///     Proven(true)
/// }
/// ```
#[derive(Debug)]
pub struct Proven(bool);

impl Proven {
    /// Of what every table should have, and what the target has; nothing if any differs. `whole`
    /// says whether nothing was refused.
    pub(crate) fn by(counted: &[(Proof, Proof)], whole: bool) -> Option<Proven> {
        counted.iter().all(|(expected, found)| expected == found).then_some(Proven(whole))
    }

    /// Whether all came back: nothing was refused.
    pub fn is_whole(&self) -> bool {
        self.0
    }
}

/// What would not fit a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What it is, as a title.
    pub what: String,
    /// Why it would not.
    pub why: String,
    /// Whether rows could not be restored for it.
    pub blocks: bool,
    /// Whether the restore would end without it: the target refuses it. Else it comes back, and
    /// somebody should know what it lacks.
    pub refused: bool,
    /// What to do, as a sentence.
    pub hint: Option<String>,
}

/// What of an object that came back is not as its definition in the backup says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it was, and what it is.
    pub found: String,
    /// Whether it means another thing; else the server only writes it otherwise.
    pub grave: bool,
}

impl Change {
    /// Of two texts, from a little before the first place where they part.
    pub fn between(was: &str, now: &str, grave: bool) -> Change {
        const BEFORE: usize = 20;
        const SHOWN: usize = 120;
        let same = was.chars().zip(now.chars()).take_while(|(a, b)| a == b).count();
        let part = |text: &str| {
            text.chars().skip(same.saturating_sub(BEFORE)).take(SHOWN).collect::<String>()
        };
        Change { found: format!("it was `{}`, and is `{}`", part(was), part(now)), grave }
    }
}

/// Whether a target said no, and is there to be asked for the next.
pub fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Failed | ErrorKind::Denied | ErrorKind::Exists | ErrorKind::Busy)
}

/// Takes a snapshot back.
pub trait Target: Send + Sync {
    /// Takes over the terms, or says why they can't be kept. Called first, before anything is
    /// written.
    fn agree(&self, loading: &Loading, stop: &Stop) -> Result<()> {
        stop.check()?;
        if loading.terms == Terms::default() && loading.map_collation.is_empty() {
            return Ok(());
        }
        let found =
            "definers, GTIDs, a binary log and collations to map are things of MySQL and MariaDB";
        let error = Error::new(ErrorKind::Refused, "restore", found);
        Err(error.hint("Restore without --definer, --gtid, --skip-binlog and --map-collation."))
    }

    /// The objects of `loading` that exist already, as titles.
    fn existing(&self, loading: &Loading, stop: &Stop) -> Result<Vec<String>>;

    /// What of a definition would not fit the target; asked before anything is written, after
    /// `existing`.
    fn objections(
        &self,
        _loading: &Loading,
        _load: Load<'_>,
        _stop: &Stop,
    ) -> Result<Vec<Objection>> {
        Ok(Vec::new())
    }

    /// Whether `objections` may have any, so that definitions need to be read for it.
    fn objects(&self) -> bool {
        false
    }

    /// Whether the table of `load`, a definition, is there as an interrupted restore would have
    /// made it, with all the rows of `expected`; keys that it still lacks are made with the others.
    /// Called before `prepare`.
    fn keeps(
        &self,
        _worker: usize,
        _load: Load<'_>,
        _expected: Proof,
        _stop: &Stop,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Whether nothing says any more that an interrupted restore of the same is under way: it may
    /// have been killed after [`Target::finish`]. Only then what is there is compared as a whole
    /// before it is gone on with.
    fn has_finished(&self, _loading: &Loading, stop: &Stop) -> Result<bool> {
        stop.check()?;
        Ok(false)
    }

    /// Makes room: removes what will be replaced. Called once, before the first `load`.
    fn prepare(&self, loading: &Loading, stop: &Stop) -> Result<()>;

    /// Loads one entry as worker number `worker`. An error of a kind that [`is_refusal`] knows is
    /// what the target would not take: of an entry of rows nothing came back then, if
    /// [`Target::takes_all_or_nothing`].
    fn load(&self, worker: usize, load: Load<'_>, stop: &Stop) -> Result<()>;

    /// How the rows of entries are written, so that those that are refused can be told from the
    /// others; `None` where entries are taken whole.
    fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// Whether an entry of rows of the member that was refused left nothing behind.
    fn takes_all_or_nothing(&self, _member: &Member, stop: &Stop) -> Result<bool> {
        stop.check()?;
        Ok(true)
    }

    /// An entry as somebody would run it by hand on the target.
    fn by_hand(&self, _member: &Member, entry: &[u8]) -> Vec<u8> {
        entry.to_vec()
    }

    /// What leads a client program into a database of this name in the target, before statements of
    /// it; nothing where these say so themselves.
    fn enter(&self, _unit: &str) -> Vec<u8> {
        Vec::new()
    }

    /// The name of a database in the target.
    fn unit(&self, name: &str) -> String {
        name.to_owned()
    }

    /// How much of each round of work waits: indexes, then foreign keys. Asked after the last rows,
    /// and after the last definition.
    fn later(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Does work `number` of a round as worker number `worker`; rounds come one after another.
    /// Returns what the target refused to make.
    fn make(
        &self,
        _worker: usize,
        _round: usize,
        _number: usize,
        _stop: &Stop,
    ) -> Result<Vec<Refused>> {
        Ok(Vec::new())
    }

    /// Makes what was loaded final. Called once, after the last `load`.
    fn settle(&self, stop: &Stop) -> Result<()>;

    /// Recounts the rows of a member that were loaded.
    fn prove(&self, worker: usize, member: &Member, stop: &Stop) -> Result<Proof>;

    /// Whether members can be recounted while what waited for the rows is made.
    fn counts_early(&self) -> bool {
        false
    }

    /// In how many parts a member is best recounted.
    fn parts(&self, _member: &Member, _stop: &Stop) -> Result<usize> {
        Ok(1)
    }

    /// Recounts one part of a member; the sum of all is what [`Target::prove`] would find.
    fn prove_part(
        &self,
        worker: usize,
        member: &Member,
        _part: usize,
        stop: &Stop,
    ) -> Result<Proof> {
        self.prove(worker, member, stop)
    }

    /// Members with the same word are recounted together: the target may keep a row of one in
    /// another.
    fn together(&self, _member: &Member) -> Option<String> {
        None
    }

    /// Lets loose what must not run before everything is proven: events. Called once, after the
    /// last `prove`; if something was refused, what runs by itself is made and not switched on.
    /// What the target refused is returned; the rest is let loose.
    fn release(&self, proven: &Proven, stop: &Stop) -> Result<Vec<Refused>>;

    /// Called in place of [`Target::release`] where something differs: what would have been let
    /// loose is returned, and is not made.
    fn withhold(&self) -> Vec<Refused> {
        Vec::new()
    }

    /// What else was refused; each is told once. Called at the end.
    fn refused(&self) -> Vec<Refused> {
        Vec::new()
    }

    /// Takes over where the backup stands in its server's log, if the terms say so. Called after
    /// [`Target::release`], and only if nothing differs from the manifest and nothing was refused.
    fn adopt(&self, _loading: &Loading, _proven: &Proven, stop: &Stop) -> Result<()> {
        Ok(stop.check()?)
    }

    /// Puts in its place what was restored beside it, and takes away what says that a restore is
    /// under way. Called last, whether or not something differs or was refused.
    fn finish(&self, stop: &Stop) -> Result<()> {
        Ok(stop.check()?)
    }

    /// The definitions of some members of one database, as a dump of the target would have them now,
    /// each with its member; nothing where the target can't be read so. Of what is not there, or
    /// can't be shown, there is none.
    fn definitions(&self, _members: &[Member], stop: &Stop) -> Result<Vec<(Member, Vec<u8>)>> {
        stop.check()?;
        Ok(Vec::new())
    }

    /// What of a definition is another now, `load` being that of the backup, and `now` what
    /// [`Target::definitions`] has of it; nothing where both mean the same.
    fn changes(&self, _load: Load<'_>, _now: &[u8]) -> Vec<Change> {
        Vec::new()
    }

    /// Which of the members do not exist now.
    fn missing(&self, members: &[Member], stop: &Stop) -> Result<Vec<Member>>;

    /// What the restore did beside, or passed over, for the user to know.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many workers may load at once.
    fn workers(&self) -> usize;
}
