//! `--mode FULL|INCREMENTAL`: an Oracle database comes back through RMAN.
//!
//! The order is the promise: which pieces are needed is decided from heads, and each of them is
//! looked for, before anything else; all are read into a folder of their own and hashed; only then
//! does RMAN touch the database. Invariant: an open database is never touched.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::artifact::{Damage, Head, Key, ObjectLine, Position, hex};
use crate::base::{Size, Stop};
use crate::pipeline::Meter;
use crate::plan::{LATEST, OracleMode, OracleWish, RestoreSpec};
use crate::record::{Event, RestoreFacts};
use crate::recover::candidates::Picked;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::recover::pieces::{StoredPiece, is_plain, missing_pieces, opener, read_pieces};
use crate::recover::prove::Setback;
use crate::recover::restore_plan::about;
use crate::recover::rman_select::{Selection, select};
use crate::shelf::Shelved;
use crate::source::{
    Asking, End, Oracle, Private, RestoreScript,
    contract::{Hear, Source},
    is_quotable, restore_script,
};

/// A folder that pieces are put into stands in this one, where the person named one.
const FOLDER: &str = "vex-restore-";

/// Everything that was decided before any work.
pub struct RmanPlan {
    oracle: Oracle,
    mode: OracleMode,
    /// The heads of the database's incarnation in the store, the oldest first.
    heads: Vec<Head>,
    selection: Selection,
    dbid: u64,
    /// What the instance is: `STARTED`, `MOUNTED`; nothing if it is not started.
    status: Option<String>,
    spfile: bool,
    end: End,
    threads: usize,
    /// Where pieces may lie already, and are put.
    folder: Option<PathBuf>,
    /// What opens the pieces of each head.
    keys: Vec<Option<Key>>,
}

/// What opens the pieces of a head.
type Opens<'a> = &'a dyn Fn(&Head) -> Result<Option<Key>, Fault>;

fn refuse(oracle: &Oracle, found: impl Into<String>, hint: &str) -> Fault {
    Fault::Nothing {
        doing: format!("restore into {}", oracle.place()),
        found: format!("{}; nothing was touched", found.into()),
        hint: Some(hint.into()),
    }
}

/// Makes the plan; looks for every piece.
pub fn plan(
    spec: &RestoreSpec,
    wish: &OracleWish,
    picked: &Picked,
    (beside, key): (Vec<Shelved>, Opens<'_>),
    work: Work<'_>,
) -> Result<RmanPlan, Setback> {
    let mut plan = decide(spec, wish, picked, beside, work).map_err(Setback::Ended)?;
    plan.keys = plan.find_keys(key).map_err(Setback::Ended)?;
    plan.lines(picked).iter().for_each(|line| work.tell(line));
    let missing = plan.missing(picked, work.stop).map_err(Setback::of)?;
    if missing.is_empty() {
        return Ok(plan);
    }
    let title = picked.manifest.head.key.clone();
    Err(Setback::of(Fault::Unproven { title, damage: missing }))
}

fn decide(
    spec: &RestoreSpec,
    wish: &OracleWish,
    picked: &Picked,
    beside: Vec<Shelved>,
    work: Work<'_>,
) -> Result<RmanPlan, Fault> {
    let oracle = Oracle::open(&wish.source, work.world)?;
    let Some(Position::Oracle { dbid, resetlogs, .. }) = picked.manifest.head.position else {
        return Err(refuse(
            &oracle,
            "the backup does not say which database it is of",
            "Take another with --backup.",
        ));
    };
    let of_incarnation = |head: &Head| matches!(head.position, Some(Position::Oracle { dbid: d, resetlogs: r, .. }) if (d, r) == (dbid, resetlogs));
    let mut all: Vec<Shelved> =
        beside.into_iter().filter(|a| of_incarnation(&a.head) && !a.is_damaged()).collect();
    all.sort_by_key(Shelved::moment);
    if spec.which.backup != LATEST {
        // What was made after the named backup is not part of the wish.
        let own = all.iter().position(|a| a.head.id == picked.manifest.head.id);
        all.truncate(own.map_or(0, |at| at + 1));
    }
    let heads: Vec<Head> = all.into_iter().map(|a| a.head).collect();
    let refs: Vec<&Head> = heads.iter().collect();
    let selection = select(&refs, wish.mode, &wish.until)
        .map_err(|found| Fault::NoBackup { found, damaged: false })?;
    let status = status_of(&oracle, dbid, work)?;
    let stays = status.as_deref() == Some("MOUNTED");
    if !stays && !spec.overwrite {
        no_control_file(&oracle, status.is_some(), work)?;
    }
    let local =
        |at: Timestamp| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let end = selection.end(&wish.until, stays, local);
    let spfile = !stays && !oracle.instance().has_parameters();
    let threads = oracle.channels(spec.threads);
    let (mode, folder) = (wish.mode, wish.folder.clone());
    let keys = Vec::new();
    Ok(RmanPlan {
        oracle,
        mode,
        heads,
        selection,
        dbid,
        status,
        spfile,
        end,
        threads,
        folder,
        keys,
    })
}

/// Refuses an instance whose control file is there, and would be replaced: the online logs that it
/// knows would be lost with it.
fn no_control_file(oracle: &Oracle, started: bool, work: Work<'_>) -> Result<(), Fault> {
    let files = if started {
        let private = oracle.private()?;
        let asking = Asking { instance: oracle.instance(), private: &private, stop: work.stop };
        asking.control_files()?
    } else {
        oracle.instance().written_control_files()
    };
    let is_there = |file: &&String| Path::new(file).symlink_metadata().is_ok();
    let Some(file) = files.iter().find(is_there) else { return Ok(()) };
    Err(refuse(
        oracle,
        format!("the control file {file} is there, and would be replaced"),
        "If it is good: STARTUP MOUNT, and restore again, which keeps it. If not: --overwrite.",
    ))
}

/// How far the instance is started; refuses one that is open, or that has another database.
fn status_of(oracle: &Oracle, dbid: u64, work: Work<'_>) -> Result<Option<String>, Fault> {
    let private = oracle.private()?;
    let asking = Asking { instance: oracle.instance(), private: &private, stop: work.stop };
    let status = asking.status()?;
    match status.as_deref() {
        Some("OPEN") => {
            let hint = "If it is to be replaced: SHUTDOWN IMMEDIATE, and STARTUP MOUNT where its control file is good.";
            return Err(refuse(oracle, "the database is open", hint));
        }
        Some("MOUNTED") => {
            let own = asking.database()?.dbid;
            if own != dbid {
                let found = format!("another database is mounted there: DBID {own}, not {dbid}");
                return Err(refuse(oracle, found, "Check `sid=` and `home=`, or use --into."));
            }
        }
        Some(_) | None => {}
    }
    Ok(status)
}

impl RmanPlan {
    fn objects(&self) -> impl Iterator<Item = &ObjectLine> {
        self.selection.pieces.iter().map(|(head, object)| &self.heads[*head].objects[*object])
    }

    fn pieces<'a>(&'a self, picked: &'a Picked) -> Vec<StoredPiece<'a>> {
        let store = picked.store.as_ref();
        let chosen = self.selection.pieces.iter();
        let of = |(head, object): &(usize, usize)| StoredPiece {
            store,
            object: &self.heads[*head].objects[*object],
            key: self.keys.get(*head).and_then(Option::as_ref),
        };
        chosen.map(of).collect()
    }

    /// The pieces that are neither in the store nor, whole and proven, in the folder that was named.
    fn missing(&self, picked: &Picked, stop: &Stop) -> Result<Vec<Damage>, Fault> {
        let mut missing = Vec::new();
        for piece in self.pieces(picked) {
            let found = missing_pieces(std::slice::from_ref(&piece), stop)?;
            if !found.is_empty() && !self.lies_here(piece.object, stop)? {
                missing.extend(found);
            }
        }
        Ok(missing)
    }

    /// Whether a piece lies in the folder that was named, and is proven to be the one.
    fn lies_here(&self, object: &ObjectLine, stop: &Stop) -> Result<bool, Fault> {
        self.folder.as_deref().map_or(Ok(false), |folder| lies_in(folder, object, stop))
    }

    /// What opens the pieces that are read.
    fn find_keys(&self, key: Opens<'_>) -> Result<Vec<Option<Key>>, Fault> {
        let used = |at: usize| self.selection.pieces.iter().find(|(head, _)| *head == at);
        let found = self.heads.iter().enumerate().map(|(at, head)| {
            let Some((_, object)) = used(at).filter(|_| head.sealed()) else { return Ok(None) };
            opener(head, &head.objects[*object], key(head)?).map(Some)
        });
        found.collect()
    }

    /// The keys of all backups that are read.
    pub fn keys(&self) -> Vec<String> {
        let used = |(at, _): &(usize, &Head)| self.selection.pieces.iter().any(|(i, _)| i == at);
        self.heads.iter().enumerate().filter(used).map(|(_, head)| head.key.clone()).collect()
    }

    /// Room for all pieces; a sealed one lies there twice for a moment.
    fn room(&self) -> u64 {
        let sealed = |o: &&ObjectLine| o.piece.as_ref().is_some_and(|p| p.plain.is_some());
        let largest = self.objects().filter(sealed).map(|o| o.bytes).max().unwrap_or_default();
        self.objects().map(|o| o.bytes).sum::<u64>() + largest * self.threads as u64
    }

    /// The script, for pieces in a folder.
    fn script(&self, folder: &Path) -> String {
        let (head, object) = self.selection.control;
        let control = self.heads[head].objects[object].piece.as_ref().map(|p| p.name.as_str());
        let stays = self.status.as_deref() == Some("MOUNTED");
        restore_script(&RestoreScript {
            folder,
            dbid: self.dbid,
            control: control.filter(|_| !stays),
            spfile: self.spfile,
            channels: self.threads,
            end: self.end.clone(),
        })
    }

    /// The plan as a person reads it.
    fn lines(&self, picked: &Picked) -> Vec<String> {
        let last = self.selection.data.last().map(|i| &self.heads[*i]);
        let mut lines = vec![about(last.unwrap_or(&picked.manifest.head))];
        let bytes: u64 = self.objects().map(|o| o.bytes).sum();
        lines.push(format!(
            "mode {}: reads {} pieces ({}) in {}",
            self.mode.word(),
            self.selection.pieces.len(),
            Size(bytes),
            picked.store.place()
        ));
        for object in self.objects() {
            lines.push(format!("  {} ({})", object.key, Size(object.bytes)));
        }
        lines.push(match self.status.as_deref() {
            Some("MOUNTED") => {
                "the instance is mounted: its control file and online logs stay".into()
            }
            Some(status) => format!("the instance is {status}: the control file comes back first"),
            None => "the instance is not started: the control file comes back first".to_owned(),
        });
        lines.push(format!("runs RMAN for {} with this script:", self.oracle.place()));
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from("/STAGING"));
        lines.extend(self.script(&folder).lines().map(|line| format!("  {line}")));
        lines
    }

    /// Performs the plan.
    pub fn perform(&self, picked: &Picked, work: Work<'_>) -> Result<Result<(), Fault>, Setback> {
        // No run may back up what is replaced, or have RMAN forget what is being read.
        let lock = self.oracle.lock("restore into").map_err(|e| Fault::from(e).before_writing());
        let _lock = lock.map_err(Setback::Ended)?;
        let place = Place::make(self, work).map_err(Setback::Ended)?;
        let fetched = self.fetch(picked, &place, work);
        fetched.inspect_err(|_| place.end(false, work)).map_err(Setback::of)?;
        self.tell(picked, work, false);
        let ran = self.run(&place, work);
        place.end(ran.is_ok(), work);
        if let Err(error) = ran {
            return Ok(Err(error));
        }
        self.tell(picked, work, true);
        work.tell(match self.end {
            End::Complete => "restored, recovered and open: all of it came back",
            End::Sequence(..) | End::Scn(_) | End::Time(_) => {
                "restored, recovered and open with RESETLOGS: a new incarnation has begun; run a FULL now"
            }
        });
        Ok(Ok(()))
    }

    /// Has every piece in the folder, read from the store where it does not lie there already.
    fn fetch(&self, picked: &Picked, place: &Place, work: Work<'_>) -> Result<(), Fault> {
        let mut wanted = Vec::new();
        for piece in self.pieces(picked) {
            let folder = self.folder.as_deref();
            let lies_here = self.lies_here(piece.object, work.stop)?;
            if !(lies_here && folder.is_some_and(|own| take_over(own, piece.object, place.path())))
            {
                wanted.push(piece);
            }
        }
        let here = self.selection.pieces.len() - wanted.len();
        if here > 0 {
            work.tell(format_args!("{here} pieces lie in the folder already, and are proven"));
        }
        let meter = Meter::default();
        meter.expect(wanted.iter().map(|p| p.object.bytes).sum());
        let mut damage = Vec::new();
        let mut failed = None;
        work.watched(&meter, |stop| {
            match read_pieces(&wanted, Some(place.path()), self.threads, &meter, stop) {
                Ok(found) => damage = found,
                Err(fault) => failed = Some(fault),
            }
            Ok(())
        })?;
        if let Some(fault) = failed {
            return Err(fault);
        }
        if damage.is_empty() {
            return Ok(());
        }
        Err(Fault::Unproven { title: picked.manifest.head.key.clone(), damage })
    }

    /// Refuses an instance that somebody started or opened while the pieces were fetched: the script
    /// would stop it.
    fn must_be_as_planned(&self, place: &Place, work: Work<'_>) -> Result<(), Fault> {
        let instance = self.oracle.instance();
        let asking = Asking { instance, private: &place.private, stop: work.stop };
        let now = asking.status()?;
        if now == self.status {
            return Ok(());
        }
        let found = format!(
            "the instance was {} when the restore was planned, and is {} now",
            self.status.as_deref().unwrap_or("not started"),
            now.as_deref().unwrap_or("not started")
        );
        Err(refuse(&self.oracle, found, "See who started or stopped it, and restore again."))
    }

    fn run(&self, place: &Place, work: Work<'_>) -> Result<(), Fault> {
        self.must_be_as_planned(place, work)?;
        let voice = work.say.cloned();
        let hear: Hear = Arc::new(move |line: &str| {
            if let Some(say) = &voice {
                say.engine(line);
            }
        });
        let script = self.script(place.path());
        let warned =
            self.oracle.run("restore", &script, &place.private, hear, work.stop).map_err(|e| {
                let hint =
                    e.hint.as_deref().unwrap_or("See the log of RMAN in the log of this run.");
                let hint =
                    format!("{hint} The database is as RMAN left it: it can be restored again.");
                Fault::Source(e.hint(hint))
            })?;
        warned.iter().for_each(|line| work.warn(format_args!("rman warned: {line}")));
        Ok(())
    }

    fn tell(&self, picked: &Picked, work: Work<'_>, done: bool) {
        let Some(say) = work.say else { return };
        let head = &picked.manifest.head;
        let restore = RestoreFacts {
            id: head.id.clone(),
            source: head.source.clone(),
            place: picked.store.place().to_owned(),
            key: head.key.clone(),
            target: self.oracle.place().to_owned(),
            tables: 0,
            rows: 0,
            raw: self.objects().map(|o| o.bytes).sum(),
            replaced: Vec::new(),
            differences: Vec::new(),
        };
        let step = say.step();
        say.event(match done {
            false => Event::Restoring { step, restore },
            true => Event::Restored { step, restore },
        });
    }
}

/// Where the pieces are: a folder that holds nothing else.
struct Place {
    /// Scripts, and pieces where no folder was named.
    private: Private,
    own: Option<PathBuf>,
}

impl Place {
    fn make(plan: &RmanPlan, work: Work<'_>) -> Result<Place, Fault> {
        let private = plan.oracle.private()?;
        let bytes = plan.room();
        let Some(folder) = &plan.folder else {
            private.has_room(bytes, "or name another folder with --pieces")?;
            return Ok(Place { private, own: None });
        };
        let now = work.world.clock.now().to_zoned(TimeZone::UTC);
        let own = folder.join(format!("{FOLDER}{}", now.strftime("%Y%m%dT%H%M%S%6fZ")));
        if !is_quotable(&own) {
            let found = format!("{} can't stand in a script of RMAN", own.display());
            return Err(refuse(&plan.oracle, found, "Name another folder with --pieces."));
        }
        let made = std::fs::create_dir_all(&own);
        made.map_err(|e| {
            refuse(
                &plan.oracle,
                format!("{}: {e}", own.display()),
                "Name another folder with --pieces.",
            )
        })?;
        let place = Place { private, own: Some(own) };
        if let Err(error) = Private::room_in(place.path(), bytes, "or name another with --pieces") {
            std::fs::remove_dir(place.path()).unwrap_or_default();
            return Err(error.into());
        }
        Ok(place)
    }

    /// Removes the own folder once nobody needs what is in it; else says that it is there.
    fn end(&self, done: bool, work: Work<'_>) {
        let Some(own) = &self.own else { return };
        let own = own.display();
        if !done {
            work.warn(format_args!(
                "the pieces that were read stay in {own}: remove it once the database is back"
            ));
        } else if let Err(error) = std::fs::remove_dir_all(self.path()) {
            work.warn(format_args!("{own} could not be removed, and is not needed: {error}"));
        }
    }

    fn path(&self) -> &Path {
        self.own.as_deref().unwrap_or(self.private.path())
    }
}

/// Whether a piece lies in a folder, and is proven to be the one.
fn lies_in(folder: &Path, object: &ObjectLine, stop: &Stop) -> Result<bool, Fault> {
    let Some(piece) = object.piece.as_ref().filter(|piece| is_plain(&piece.name)) else {
        return Ok(false);
    };
    let (size, sha256) = piece.file((object.bytes, &object.sha256));
    let Ok(mut file) = std::fs::File::open(folder.join(&piece.name)) else { return Ok(false) };
    if !file.metadata().is_ok_and(|found| found.is_file() && found.len() == size) {
        return Ok(false);
    }
    let (mut digest, mut bytes) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        stop.check()?;
        match file.read(&mut bytes) {
            Ok(0) => return Ok(hex(&digest.finalize()) == sha256),
            Ok(n) => digest.update(&bytes[..n]),
            // The store has it, or it is missing.
            Err(_) => return Ok(false),
        }
    }
}

/// Has a piece that lies in a folder in another one too.
fn take_over(folder: &Path, object: &ObjectLine, to: &Path) -> bool {
    let Some(piece) = &object.piece else { return false };
    let (from, to) = (folder.join(&piece.name), to.join(&piece.name));
    std::fs::hard_link(&from, &to).is_ok() || std::fs::copy(&from, &to).is_ok()
}
