//! From the words of a command to what they ask for: which backup, and a restore of it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::base::{SecretRef, show_address};
use crate::job::{JobFile, KeyRefs, SourceSpec, TrustSpec};
use crate::plan::{
    BackupWish, ClusterWish, OracleMode, OracleWish, Places, Plan, RecoveryWish, RestoreSpec,
    SourceRef, StepKind, StorePlace, TargetWish, Until, Wal,
};
use crate::syntax::{is_store_address, store_address, target_address};
use crate::world::absolute;

use crate::cli::args::{Definer, Gtid, Mode, Restore, Which};
use crate::cli::exit::Exit;
use crate::cli::point::{recovery, replay, typed_point, typed_spot};
use crate::cli::report::sites;
use crate::cli::wiring::{Loaded, complain, equip};

/// The beginning of a target that is a data directory.
const SCHEME: &str = "pgdata:";

/// Which backup is asked for, and the file it is asked of.
pub struct Wish {
    /// Which backup.
    pub backup: BackupWish,
    /// What the job file declares, else what the site file of the machine does.
    pub file: JobFile,
    /// Whether a job file was given.
    pub declared: bool,
    /// The write-ahead logs that the job file keeps.
    pub logs: Vec<Wal>,
    /// The binary logs that it keeps.
    pub binlogs: Vec<Wal>,
}

fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

/// Reads which backup is meant; contacts nothing.
pub fn wish(which: &Which) -> Result<Wish, Exit> {
    // Without a job file the first word is the source.
    let (typed, source) = match (&which.file, &which.source, &which.from) {
        (Some(word), None, Some(from))
            if (is_store_address(from) || is_archive(from)) && !word.exists() =>
        {
            (None, Some(word.to_string_lossy().into_owned()))
        }
        (file, source, _) => (file.clone(), source.clone()),
    };
    let loaded =
        typed.as_deref().map(|f| Loaded::open(f, which.site.as_deref(), false)).transpose()?;
    let named = source.clone();
    let (places, source) = places(which, loaded.as_ref(), source)?;
    let others = match (&places, &source, &loaded) {
        (Places::Stores(_), Some(source), Some(loaded)) => others(&loaded.plans, source),
        _ => Vec::new(),
    };
    let elsewhere = match (&places, &source, &loaded) {
        (Places::Stores(own), Some(source), Some(loaded)) => elsewhere(&loaded.plans, source, own),
        _ => Vec::new(),
    };
    let password = match (&which.archive_password_env, &which.archive_password_file) {
        (Some(name), _) => Some(SecretRef::Env(name.clone())),
        (None, Some(path)) => Some(SecretRef::File(path.clone())),
        (None, None) => None,
    };
    let mut backup = BackupWish {
        typed: typed.map(|path| path.display().to_string()),
        file: loaded.as_ref().map(|l| l.path.clone()),
        named,
        source,
        from: which.from.clone(),
        places,
        others,
        elsewhere,
        backup: which.backup.clone(),
        origin: which.origin.clone(),
        keys: KeyRefs {
            password,
            previous: Vec::new(),
            identity: which.identity.clone().map(SecretRef::File),
        },
        trust: TrustSpec::default(),
    };
    let declared = loaded.is_some();
    let (logs, binlogs) = loaded.as_ref().map(|loaded| logs(&loaded.plans)).unwrap_or_default();
    let file = match loaded {
        Some(loaded) => loaded.file,
        None => sites(&[], which.site.as_deref())?.0,
    };
    backup.trust.clone_from(&file.site.trust);
    Ok(Wish { backup, file, declared, logs, binlogs })
}

/// Where the backup is looked for, and of which source it is.
fn places(
    which: &Which,
    loaded: Option<&Loaded>,
    source: Option<String>,
) -> Result<(Places, Option<String>), Exit> {
    match (&which.from, loaded) {
        (Some(from), _) if is_archive(from) => Ok((Places::Archive(PathBuf::from(from)), source)),
        (Some(from), _) if is_store_address(from) => {
            let (spec, under) = store_address(from).map_err(|why| usage(&why))?;
            Ok((Places::Address { spec: Box::new(spec), under }, source))
        }
        (from, Some(loaded)) => declared(from.as_deref(), source.as_deref(), loaded),
        (Some(from), None) => Err(usage(&format!(
            "{} is no store URL and no .zip file; a store's name needs the job file",
            show_address(from)
        ))),
        (None, None) => Err(usage("name a job file, or a store with --from")),
    }
}

fn is_archive(text: &str) -> bool {
    let path = Path::new(text);
    path.extension().is_some_and(|end| end == "zip") && path.is_file()
}

/// The stores of a job file that may hold a backup of the source.
fn declared(
    from: Option<&str>,
    source: Option<&str>,
    loaded: &Loaded,
) -> Result<(Places, Option<String>), Exit> {
    let all = places_of(&loaded.plans);
    let own = |place: &&StorePlace| {
        source.is_none_or(|s| place.source == s) && from.is_none_or(|f| place.store.name == f)
    };
    let fits: Vec<StorePlace> = all.iter().filter(own).cloned().collect();
    let mut sources: Vec<String> = fits.iter().map(|place| place.source.clone()).collect();
    sources.sort_unstable();
    sources.dedup();
    match sources.as_slice() {
        [] => {
            let known: Vec<String> =
                all.iter().map(|p| format!("{} in {}", p.source, p.store.name)).collect();
            Err(usage(&format!("no job backs that up; the file has {}", known.join(", "))))
        }
        [only] => Ok((Places::Stores(fits), Some(only.clone()))),
        several => {
            Err(usage(&format!("the file has the sources {}; name one", several.join(", "))))
        }
    }
}

/// Where backups of the same source and of another kind are.
fn others(plans: &[Plan], source: &str) -> Vec<StorePlace> {
    let backups = || {
        plans.iter().flat_map(|plan| &plan.steps).filter_map(|step| match &step.kind {
            StepKind::Backup(backup) => Some(backup),
            _ => None,
        })
    };
    let declared = backups().find(|b| b.source.name == source).map(|b| b.declared.as_str());
    let names: Vec<&str> = backups()
        .filter(|b| Some(b.declared.as_str()) == declared && b.source.name != source)
        .map(|b| b.source.name.as_str())
        .collect();
    let mut all = places_of(plans);
    all.retain(|place| names.contains(&place.source.as_str()));
    all
}

/// The other stores that a source is sent to.
fn elsewhere(plans: &[Plan], source: &str, own: &[StorePlace]) -> Vec<StorePlace> {
    let mut all = places_of(plans);
    let is_own = |place: &StorePlace| own.iter().any(|o| o.store.name == place.store.name);
    all.retain(|place| place.source == source && !is_own(place));
    all
}

/// The logs that jobs keep: write-ahead logs, and binary logs.
fn logs(plans: &[Plan]) -> (Vec<Wal>, Vec<Wal>) {
    let (mut wals, mut binlogs) = (Vec::new(), Vec::new());
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        match &step.kind {
            StepKind::Wal(wal) => wals.push(wal.as_ref().clone()),
            StepKind::Binlog(log) => binlogs.push(log.as_ref().clone()),
            _ => {}
        }
    }
    (wals, binlogs)
}

fn places_of(plans: &[Plan]) -> Vec<StorePlace> {
    let mut found = Vec::new();
    for plan in plans {
        for step in &plan.steps {
            let StepKind::Backup(backup) = &step.kind else { continue };
            found.extend(backup.copies.iter().map(|copy| StorePlace {
                job: plan.job.clone(),
                source: backup.source.name.clone(),
                store: copy.store.clone(),
                naming: copy.naming.clone(),
                keys: KeyRefs {
                    password: backup.archive.password.clone(),
                    previous: backup.archive.previous.clone(),
                    identity: None,
                },
            }));
        }
    }
    found
}

/// What a restore asks for; contacts nothing.
pub fn restore_spec(args: &Restore, wish: &Wish) -> Result<RestoreSpec, Exit> {
    let gtid = args.gtid == Gtid::Set;
    if gtid && !args.skip_binlog {
        return Err(usage(
            "--gtid set needs --skip-binlog: the restore would write transactions with GTIDs of their own into the \
             target's binary log, beside those that it takes over.",
        ));
    }
    if let Some(path) = args.refused.as_ref().filter(|path| path.exists()) {
        return Err(usage(&format!("--refused {}: it exists; name a new file", path.display())));
    }
    let password = args.password.secret();
    Ok(RestoreSpec {
        which: wish.backup.clone(),
        into: into(args, wish),
        target: target(args, wish, password.as_ref())?,
        only: args.only.clone(),
        except: args.except.clone(),
        rename: args.rename.clone(),
        overwrite: args.overwrite,
        read_first: !args.no_read_first,
        accounts: args.accounts,
        resume: args.resume,
        fallback: args.fallback,
        current_definer: args.definer == Definer::Current,
        gtid,
        skip_binlog: args.skip_binlog,
        map_collation: args.map_collation.clone(),
        threads: usize::from(args.threads),
        refused: args.refused.clone(),
        beside_log: None,
        password,
    })
}

/// Where a restore goes: a source of the file, or an address.
fn target(args: &Restore, wish: &Wish, password: Option<&SecretRef>) -> Result<TargetWish, Exit> {
    let file = &wish.file;
    let into = into(args, wish);
    if let Some(mode) = args.mode {
        return oracle(args, mode, &into, file);
    }
    if let Some(path) = into.strip_prefix(SCHEME) {
        if let Some((word, _)) = typed_spot(args) {
            return Err(usage(&format!(
                "{word} is for MySQL and MariaDB, and --into names a PostgreSQL cluster"
            )));
        }
        let recovery = recovery(args, &wish.backup, &wish.logs)?;
        return Ok(TargetWish::Cluster(cluster(args, path, file, recovery)));
    }
    let name = wish.backup.source.clone().unwrap_or_default();
    let own = &args.files;
    let given = own.stop || own.start || own.owner.is_some() || own.config.is_some();
    if given || !own.tablespace.is_empty() {
        return Err(usage(
            "--stop, --start, --owner, --tablespace and --config have no meaning here: they are for --into pgdata:DIR",
        ));
    }
    let (spec, database) = target_spec(&into, password, file)?;
    let replay = match &spec {
        SourceSpec::Mysql(_) if database.is_none() && !knows_postgres(args) => {
            replay(args, &wish.backup, &wish.binlogs)?
        }
        _ if args.until.is_none() && typed_spot(args).is_none() && !knows_postgres(args) => None,
        _ => {
            return Err(usage(
                "--until and its kin have no meaning here: they are for --into pgdata:DIR, for a MySQL or MariaDB server as a whole, and for --mode",
            ));
        }
    };
    Ok(TargetWish::Source { source: Box::new(SourceRef { name, spec }), database, replay })
}

/// Whether a point is given that only PostgreSQL knows.
fn knows_postgres(args: &Restore) -> bool {
    typed_point(args).is_some() || args.point.timeline.is_some()
}

/// Where to, as it was typed: with `--mode` the source itself unless said otherwise.
fn into(args: &Restore, wish: &Wish) -> String {
    args.into.clone().or_else(|| wish.backup.source.clone()).unwrap_or_default()
}

/// A restore through RMAN.
fn oracle(args: &Restore, mode: Mode, into: &str, file: &JobFile) -> Result<TargetWish, Exit> {
    let named = file.sources.iter().find(|s| s.name.value == into).map(|s| &s.spec);
    let Some(SourceSpec::Oracle(spec)) = named else {
        return Err(usage(&format!(
            "--mode is for an oracle source of the job file, and {into} is none"
        )));
    };
    let until = match &args.until {
        None => Until::Latest,
        Some(text) => until(text).ok_or_else(|| {
            usage(&format!("--until {text}: it is an SCN, or a moment such as 2025-08-02 14:30:00"))
        })?,
    };
    let given = || std::env::var_os("RESTORE_SOURCE_DIR").filter(|value| !value.is_empty());
    let folder = args.pieces.clone().or_else(|| given().map(PathBuf::from));
    // The server reads them, whose current folder is another.
    let folder = folder.map(|path| absolute(&path)).transpose();
    let folder = folder.map_err(|error| usage(&format!("--pieces: {error}")))?;
    Ok(TargetWish::Oracle(OracleWish {
        source: spec.clone(),
        mode: match mode {
            Mode::Full => OracleMode::Full,
            Mode::Incremental => OracleMode::Incremental,
        },
        until,
        until_typed: args.until.clone(),
        folder,
    }))
}

/// An SCN, a moment, or a moment of this machine's clock.
fn until(text: &str) -> Option<Until> {
    if let Ok(scn) = text.parse() {
        return Some(Until::Scn(scn));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(Until::Moment(moment));
    }
    let local = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?;
    Some(Until::Moment(local.timestamp()))
}

/// What a target is: a source of the file, or an address, with the database that it names.
pub fn target_spec(
    into: &str,
    password: Option<&SecretRef>,
    file: &JobFile,
) -> Result<(SourceSpec, Option<String>), Exit> {
    let named = file.sources.iter().find(|s| s.name.value == into);
    let (mut spec, database) = match named {
        Some(source) => (source.spec.clone(), None),
        None => target_address(into, password.cloned()).map_err(|why| {
            let known: Vec<&str> = file.sources.iter().map(|s| s.name.value.as_str()).collect();
            usage(&format!(
                "--into {}: {why}; sources of the file: {}",
                show_address(into),
                known.join(", ")
            ))
        })?,
    };
    equip(&mut spec, &file.site);
    Ok((spec, database))
}

fn cluster(
    args: &Restore,
    path: &str,
    file: &JobFile,
    recovery: Option<RecoveryWish>,
) -> ClusterWish {
    let own = &args.files;
    ClusterWish {
        data: PathBuf::from(path.strip_prefix("//").unwrap_or(path)),
        stop: own.stop,
        start: own.start,
        owner: own.owner.clone(),
        tablespaces: own.tablespace.clone(),
        config: own.config.clone(),
        set: own.set.clone(),
        tools: file.site.tools_of(&["postgres"]),
        recovery,
    }
}
