//! `vex restore … --into pgdata:DIR`: the files of a PostgreSQL cluster, as one guided command.
//!
//! The order is the promise: everything is looked for first and the plan is shown; all is unpacked
//! beside the old data directory and checked by PostgreSQL's own program; only then is the server
//! stopped, the old directory moved aside and the new one put in its place. Until that moment
//! nothing of the old cluster has changed; after it, nothing is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::artifact::{Damage, Manifest};
use crate::base::{Size, Stop};
use crate::pipeline::{Fetch, Meter};
use crate::shelf::lineage;
use crate::source::{
    ClusterFacts, Control, Owner, Place, Tablespace, contract::Error, detach, link, problems,
    replace_space, write_map,
};
use crate::step::{Assembled, Assembly, Fault, facts, load_all};
use crate::world::Child;

use crate::cli::args::Restore;
use crate::cli::config::{self, Config};
use crate::cli::exit::Exit;
use crate::cli::fallback::{Setback, agree, prove};
use crate::cli::offer::Picked;
use crate::cli::wiring::{App, complain, tell};

/// The kind of artifacts that hold files.
const KIND: &str = "postgres-physical";

/// The beginning of such a target.
const SCHEME: &str = "pgdata:";

/// Everything that was decided before any work.
struct Decided {
    place: Place,
    facts: ClusterFacts,
    control: Control,
    /// Tablespaces and where their folders will be.
    spaces: Vec<(Tablespace, PathBuf)>,
    config: Config,
    /// Settings of the first start.
    set: Vec<(String, String)>,
    running: Option<u32>,
    /// Tells the folders of this restore from those of others.
    stamp: String,
}

/// Restores files into a data directory; `None` for a dump into anything else. Neither comes where
/// the other belongs.
pub fn route(args: &Restore, picked: &Picked, app: &App) -> Option<Result<Exit, Setback>> {
    let (files, id) = (picked.manifest.head.kind == KIND, &picked.manifest.head.id);
    let of_dumps = [
        ("--only", !args.only.is_empty()),
        ("--as", args.rename.is_some()),
        ("--accounts", args.accounts),
        ("--overwrite", args.overwrite),
        ("--resume", args.resume),
    ];
    let own = &args.files;
    let of_files = [
        ("--stop", own.stop),
        ("--start", own.start),
        ("--owner", own.owner.is_some()),
        ("--tablespace", !own.tablespace.is_empty()),
        ("--config", own.config.is_some()),
    ];
    let (others, why) = if files {
        (&of_dumps, "files come back as a whole")
    } else {
        (&of_files, "it is of files, and this is a dump")
    };
    if let Some((word, _)) = others.iter().find(|(_, given)| *given) {
        complain(&format!("{word} has no meaning for {id}: {why}"));
        return Some(Err(Setback::Ended(Exit::Usage)));
    }
    match (files, args.into.starts_with(SCHEME)) {
        (true, true) => return Some(restore(args, picked, app)),
        (false, false) => return None,
        (true, false) => complain(&format!(
            "{id} holds the files of a cluster: name its data directory, --into {SCHEME}DIR"
        )),
        (false, true) => complain(&format!(
            "{id} is a dump, which is restored into a source or a URL, not a folder"
        )),
    }
    Some(Err(Setback::Ended(Exit::Usage)))
}

fn nothing(doing: &str, found: impl Into<String>, hint: &str) -> Fault {
    Fault::Nothing { doing: doing.into(), found: found.into(), hint: Some(hint.into()) }
}

/// Brings the files of a cluster back.
fn restore(args: &Restore, picked: &Picked, app: &App) -> Result<Exit, Setback> {
    let stop = &app.stop;
    let meter = Meter::default();
    let manifests = chain(picked, stop).map_err(Setback::of)?;
    agree(args, picked, &manifests[..manifests.len() - 1], app)?;
    let of = |manifest| Fetch {
        store: picked.store.as_ref(),
        manifest,
        password: picked.password.as_ref(),
        meter: &meter,
    };
    let fetches: Vec<Fetch<'_>> = manifests.iter().map(of).collect();
    let last = fetches.last().expect("BUG: a chain without its end");
    let facts = facts(last, stop).map_err(|fault| blame(args, picked, &manifests, fault, app))?;
    let decided = decide(args, picked, facts, app).map_err(Setback::of)?;
    show(args, &decided, &manifests, picked);
    ready(args, &decided, &manifests, stop).map_err(Setback::of)?;
    if args.dry_run {
        if args.fallback {
            prove(args, picked, &manifests, None, app)?;
            tell(&format!(
                "{} is whole: it would be unpacked and checked by pg_verifybackup",
                picked.manifest.head.id
            ));
        }
        return Ok(Exit::Success);
    }
    let made = assemble(&decided, &fetches, stop).and_then(|made| match made.damage.is_empty() {
        true => Ok(made),
        false => {
            Err(Fault::Unproven { title: picked.manifest.head.key.clone(), damage: made.damage })
        }
    });
    let made = made.map_err(|fault| {
        leave(&decided);
        blame(args, picked, &manifests, fault, app)
    })?;
    tell("unpacked; pg_verifybackup: every file and the WAL are as the backup's own manifest says");
    put(args, &decided, &made, last, stop).map_err(|fault| Setback::late(&fault))
}

/// A fault before anything was changed. Where another backup is to be taken, it is looked up what
/// of the chain is damaged, so that nothing else is taken that adds to it.
fn blame(
    args: &Restore,
    picked: &Picked,
    manifests: &[Manifest],
    fault: Fault,
    app: &App,
) -> Setback {
    if args.fallback
        && fault.condemns()
        && let Err(found) = prove(args, picked, manifests, None, app)
    {
        return found;
    }
    Setback::of(fault)
}

/// Puts what was made in the place of the old cluster.
fn put(
    args: &Restore,
    decided: &Decided,
    made: &Assembled,
    last: &Fetch<'_>,
    stop: &Stop,
) -> Result<Exit, Fault> {
    if let Some(pid) = decided.running {
        decided.control.stop(&decided.place.data, stop).inspect_err(|_| leave(decided))?;
        tell(&format!("stopped the server, process {pid}"));
    }
    switch(decided, made)?;
    decided.config.write(&decided.facts, last, decided.control.owner, stop)?;
    if !args.files.start {
        tell_start(decided);
        return Ok(Exit::Success);
    }
    start(decided, &args.into, stop)
}

/// The manifests of a backup and of all it adds to, the full one first.
fn chain(picked: &Picked, stop: &Stop) -> Result<Vec<Manifest>, Fault> {
    let Some(parent) = &picked.manifest.head.parent else {
        return Ok(vec![picked.manifest.clone()]);
    };
    let gone = |id: &dyn std::fmt::Display| {
        Fault::Damage(Damage::Manifest(format!("{id}, which it adds to, is not there")))
    };
    let Some(shelf) = &picked.shelf else {
        let hint = "Name its store with --from, where the backups that it adds to are too.";
        return Err(nothing(
            "restore an increment from one file",
            format!("it adds to {parent}"),
            hint,
        ));
    };
    let all = shelf.list(stop)?.artifacts;
    let own = all
        .iter()
        .find(|a| a.head.id == picked.manifest.head.id)
        .ok_or_else(|| gone(&picked.manifest.head.id))?;
    let chain = lineage(&all, own).map_err(|id| gone(&id))?;
    if let Some(bad) = chain.iter().find(|a| a.is_damaged()) {
        return Err(gone(&format!("{}, which was found damaged", bad.head.id)));
    }
    chain.into_iter().map(|a| load_all(picked.store.as_ref(), &a.head, stop)).collect()
}

fn decide(
    args: &Restore,
    picked: &Picked,
    facts: ClusterFacts,
    app: &App,
) -> Result<Decided, Fault> {
    let path = args.into.strip_prefix(SCHEME).unwrap_or_default();
    let place = Place::new(Path::new(path.strip_prefix("//").unwrap_or(path)))?;
    let owner = owner(args.files.owner.as_deref(), &place, &app.stop)?;
    let tools = picked.file.as_ref().map_or_else(Vec::new, |file| file.site.postgres_tools.clone());
    let control = Control { tools, major: facts.major(), owner };
    let mut spaces: Vec<(Tablespace, PathBuf)> =
        facts.tablespaces.iter().map(|t| (t.clone(), PathBuf::from(&t.location))).collect();
    for word in &args.files.tablespace {
        let (old, new) = word.split_once('=').unwrap_or((word, ""));
        let known: Vec<String> = spaces.iter().map(|(s, _)| s.location.clone()).collect();
        let found = spaces.iter_mut().find(|(s, _)| s.location == old || s.name == old);
        match found.filter(|_| new.starts_with('/')) {
            Some((_, to)) => *to = PathBuf::from(new),
            None => {
                let hint = format!(
                    "It is OLD=NEW, NEW with its whole path; the backup has {}.",
                    known.join(", ")
                );
                return Err(nothing(
                    "map a tablespace",
                    format!("--tablespace {word} fits none"),
                    &hint,
                ));
            }
        }
    }
    let stamp =
        app.world.clock.now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let config = Config::decide(args.files.config.as_deref(), &facts, &place, &stamp);
    let mut set = Vec::new();
    for word in &args.files.set {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
        {
            return Err(nothing(
                "start the server",
                format!("--set {word} is no setting"),
                "It is NAME=VALUE.",
            ));
        }
        set.push((name.to_owned(), value.to_owned()));
    }
    let running = place.running()?;
    Ok(Decided { place, facts, control, spaces, config, set, running, stamp })
}

/// Whose the files will be.
fn owner(name: Option<&str>, place: &Place, stop: &Stop) -> Result<Owner, Fault> {
    let us = Owner::us();
    let doing = "decide whose the files are";
    let Some(name) = name else {
        let found = if us.user == 0 { place.owner() } else { Some(us) };
        return found.filter(|owner| owner.user != 0).ok_or_else(|| {
            let hint = "Name the user of the server with --owner, such as `--owner postgres`.";
            nothing(
                doing,
                format!("{} would be root's, which PostgreSQL refuses", place.data.display()),
                hint,
            )
        });
    };
    let words = ["getent".to_owned(), "passwd".to_owned(), "--".to_owned(), name.to_owned()];
    let output = Child::new(&words).stall(Duration::from_secs(30)).output(64 << 10, stop);
    let text = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let line = text.map_err(|e| {
        nothing(doing, format!("there is no user {name}: {e}"), "Name another with --owner.")
    })?;
    let mut fields = line.trim().split(':').skip(2).map(|field| field.parse::<u32>().ok());
    let (Some(Some(user)), Some(Some(group))) = (fields.next(), fields.next()) else {
        return Err(nothing(
            doing,
            format!("the user {name} has no number"),
            "Name another with --owner.",
        ));
    };
    if us.user != 0 && us.user != user {
        let hint = "Run vex as root, or as that user.";
        return Err(nothing(doing, format!("only root can give files to {name}"), hint));
    }
    Ok(Owner { user, group })
}

/// The plan.
fn show(args: &Restore, decided: &Decided, manifests: &[Manifest], picked: &Picked) {
    let place = decided.place.data.display();
    let manifest = &picked.manifest;
    tell(&format!(
        "backup {} of {} ({}), taken {} on {}",
        manifest.head.id,
        manifest.head.source,
        manifest.head.server,
        manifest.head.finished,
        manifest.head.host
    ));
    for link in manifests {
        let (stored, raw) = (Size(link.head.bytes()), Size(link.head.totals.raw));
        let what = if link.head.parent.is_some() { "increment" } else { "full" };
        tell(&format!(
            "reads {stored} ({raw} unpacked) of {} in {}: {what}",
            link.head.key,
            picked.store.place()
        ));
    }
    if let Some(position) = &manifest.head.position {
        tell(&format!("needs WAL {position}; it is in the backup"));
    }
    for missing in &manifest.head.not_included {
        tell(&format!("! not included: {missing}"));
    }
    let Owner { user, group } = decided.control.owner;
    tell(&format!(
        "unpacks beside {place}, for user {user} and group {group}, and runs pg_verifybackup"
    ));
    match (decided.running, args.files.stop) {
        (Some(pid), true) => {
            tell(&format!("stops the server of {place}, process {pid}, with pg_ctl"))
        }
        (Some(pid), false) => tell(&format!("! a server runs in {place}, process {pid}")),
        (None, _) => {}
    }
    if decided.place.exists() {
        tell(&format!(
            "moves {place} to {}",
            decided.place.beside(&format!(".old-{}", decided.stamp)).display()
        ));
    }
    tell(&format!("puts the backup in its place: {place}"));
    for (space, to) in &decided.spaces {
        tell(&format!("tablespace {} ({}) comes to {}", space.name, space.location, to.display()));
    }
    decided.config.lines(&decided.facts).iter().for_each(|line| tell(line));
    if decided.facts.archives {
        tell(
            "! archive_mode is on in this cluster: beside the old one it would archive over it; turn it off first",
        );
    }
    if decided.facts.standby {
        tell(
            "the files are of a standby: what has it follow its primary is put aside, and it comes up on its own",
        );
    }
    if args.files.start {
        tell(
            "starts the server with pg_ctl, waits until it lets connections in, and reads its log",
        );
    }
}

/// Whether all is there that the work needs.
fn ready(
    args: &Restore,
    decided: &Decided,
    manifests: &[Manifest],
    stop: &Stop,
) -> Result<(), Fault> {
    let doing = format!("restore into {}", decided.place.data.display());
    let mut programs = vec!["pg_verifybackup", "pg_waldump"];
    programs.extend((manifests.len() > 1).then_some("pg_combinebackup"));
    programs.extend((args.files.start || decided.running.is_some()).then_some("pg_ctl"));
    decided.control.look(&programs, stop)?;
    if let Some(major) =
        decided.place.major().filter(|m| *m != decided.facts.major() && decided.running.is_some())
    {
        let found = format!(
            "a server of PostgreSQL {major} runs there, and the backup is of {}",
            decided.facts.major()
        );
        return Err(nothing(
            &doing,
            found,
            "Stop it by hand first: its own pg_ctl is needed for that.",
        ));
    }
    if let Some(pid) = decided.running.filter(|_| !args.files.stop && !args.dry_run) {
        let hint = format!(
            "Stop it first: `systemctl stop postgresql` (Debian: `systemctl stop postgresql@{}-main`), or let vex do it \
             with --stop.",
            decided.facts.major()
        );
        return Err(nothing(&doing, format!("a server runs there, process {pid}"), &hint));
    }
    let parent = decided.place.parent();
    let raw: u64 = manifests.iter().map(|m| m.head.totals.raw).sum();
    let needs = if manifests.len() > 1 { raw * 2 } else { raw };
    let stat = rustix::fs::statvfs(parent).map_err(|e| {
        nothing(&doing, format!("{}: {e}", parent.display()), "Make the folder first.")
    })?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < needs {
        let found = format!("it needs {} beside it, and {} are free", Size(needs), Size(free));
        return Err(nothing(&doing, found, "Make room, or restore into another file system."));
    }
    Ok(())
}

/// Where all of it is unpacked.
fn folder(decided: &Decided) -> PathBuf {
    decided.place.beside(&format!(".new-{}", decided.stamp))
}

fn space_folder(decided: &Decided, to: &Path) -> PathBuf {
    to.join(format!(".new-{}", decided.stamp))
}

fn assemble(decided: &Decided, fetches: &[Fetch<'_>], stop: &Stop) -> Result<Assembled, Fault> {
    let spaces = decided
        .spaces
        .iter()
        .map(|(space, to)| (space.clone(), space_folder(decided, to)))
        .collect();
    let chain = fetches.iter().map(|f| Fetch { ..*f }).collect();
    Assembly { chain, folder: folder(decided), spaces, control: decided.control.clone() }.make(stop)
}

/// Removes what was unpacked; the old cluster was not touched.
fn leave(decided: &Decided) {
    let spaces = decided.spaces.iter().map(|(_, to)| space_folder(decided, to));
    for path in spaces.chain([folder(decided)]).filter(|path| path.exists()) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            complain(&format!("{} stays and can be removed: {error}", path.display()));
        }
    }
    complain("nothing of the old cluster was changed");
}

/// The moment in which the new cluster takes the place of the old one.
fn switch(decided: &Decided, made: &Assembled) -> Result<(), Fault> {
    let (place, owner) = (&decided.place, decided.control.owner);
    for ((space, to), (_, fresh)) in decided.spaces.iter().zip(&made.spaces) {
        if let Some(old) = replace_space(to, fresh, &decided.stamp, owner)? {
            tell(&format!("moved the old files of tablespace {} to {}", space.name, old.display()));
        }
        owner.give(to)?;
        link(&made.data, space.oid, to)?;
    }
    write_map(&made.data, &decided.spaces, owner)?;
    for name in detach(&made.data)? {
        tell(&format!("put {name} aside as {name}.off: this server follows nobody"));
    }
    if let Some(old) = place.replace(&made.data, &decided.stamp)? {
        tell(&format!("moved the old data directory to {}", old.display()));
    }
    for path in
        decided.spaces.iter().map(|(_, to)| space_folder(decided, to)).chain([folder(decided)])
    {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            complain(&format!("{} stays and can be removed: {error}", path.display()));
        }
    }
    tell(&format!("the backup is in its place: {}", place.data.display()));
    Ok(())
}

/// What to do next, where vex does not start the server.
fn tell_start(decided: &Decided) {
    tell(&format!(
        "start it: `systemctl start postgresql` (Debian: `systemctl start postgresql@{}-main`), then read its log for \
         `database system is ready` and for ERROR, FATAL and PANIC",
        decided.facts.major()
    ));
    let settings = decided.config.settings(&decided.facts);
    if !settings.is_empty() {
        let words: Vec<String> =
            settings.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
        tell(&format!(
            "its configuration is elsewhere: postgres -D {} {}",
            decided.place.data.display(),
            words.join(" ")
        ));
    }
}

/// Starts the server, waits for it, and reads its log.
fn start(decided: &Decided, into: &str, stop: &Stop) -> Result<Exit, Fault> {
    let log = decided.place.beside(&format!(".log-{}", decided.stamp));
    decided.control.owner.write(&log, b"")?;
    let mut settings = decided.config.settings(&decided.facts);
    settings.extend(decided.set.iter().cloned());
    let began = std::time::SystemTime::now();
    let started = decided.control.start(&decided.place.data, &settings, &log, stop);
    let text = config::logs(&decided.place.data, &log, began);
    let found = problems(&text);
    found.iter().for_each(|line| tell(&format!("! log: {line}")));
    let asked = |error: Error| {
        error.hint(format!(
            "Its whole log is {}. What was given on its command line is given with --set.",
            log.display()
        ))
    };
    started.map_err(asked)?;
    tell(&format!("the server is started and lets connections in; its log is {}", log.display()));
    if found.iter().any(|line| !line.contains("WARNING:")) {
        tell(&format!("INCOMPLETE: its log has {} lines that somebody must look at", found.len()));
        return Ok(Exit::Damage);
    }
    tell(&format!("restored {into}: its log has no ERROR, FATAL or PANIC"));
    Ok(Exit::Success)
}
