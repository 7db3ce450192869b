//! `--into pgdata:DIR`: the files of a PostgreSQL cluster come back.
//!
//! The order is the promise: everything is looked for first and the plan is shown; all is unpacked
//! beside the old data directory and checked by PostgreSQL's own program; only then is the server
//! stopped, the old directory moved aside and the new one put in its place. Until that moment
//! nothing of the old cluster has changed; after it, nothing is lost.

use crate::pipeline::{Fetch, Meter};
use crate::plan::{ClusterWish, RestoreSpec, TargetWish};
use crate::recover::assembly::{Assembled, Assembly};
use crate::recover::candidates::Picked;
use crate::recover::cluster_plan::ClusterPlan;
use crate::recover::config;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::recover::prove::{Setback, agree, prove};
use crate::recover::wal::{Aim, Recovery};
use crate::shelf::Shelved;
use crate::source::{self, contract::Error, detach, link, problems, replace_space, write_map};

/// The beginning of such a target.
const SCHEME: &str = "pgdata:";

/// Refuses files where a dump belongs, and the reverse, and words that the other understands.
pub fn route(spec: &RestoreSpec, picked: &Picked) -> Result<(), Fault> {
    if let Some(found) = wrong_pieces(spec, picked) {
        return Err(Fault::Usage { found, hint: None });
    }
    let (files, id) = (source::is_files(&picked.manifest.head.kind), &picked.manifest.head.id);
    let usage = |found: String| Fault::Usage { found, hint: None };
    let [of_dumps, of_files] = spec.words();
    let (others, why) = if files {
        (of_dumps, "files come back as a whole")
    } else {
        (of_files, "it is of files, and this is a dump")
    };
    if let Some((word, _)) = others.iter().find(|(_, given)| *given) {
        return Err(usage(format!("{word} has no meaning for {id}: {why}")));
    }
    match (files, &spec.target) {
        (_, TargetWish::Oracle(_)) => Ok(()),
        (true, TargetWish::Cluster(_)) | (false, TargetWish::Source { .. }) => Ok(()),
        (true, TargetWish::Source { .. }) => Err(usage(format!(
            "{id} holds the files of a cluster: name its data directory, --into {SCHEME}DIR"
        ))),
        (false, TargetWish::Cluster(_)) => Err(usage(format!(
            "{id} is a dump, which is restored into a source or a URL, not a folder"
        ))),
    }
}

/// Refuses pieces of RMAN where something else belongs, and the reverse.
fn wrong_pieces(spec: &RestoreSpec, picked: &Picked) -> Option<String> {
    let (is_pieces, id) = (picked.manifest.head.is_pieces(), &picked.manifest.head.id);
    match (is_pieces, &spec.target) {
        (true, TargetWish::Oracle(_)) => {
            let given = [&spec.words()[0][..], &spec.words()[1][..]].concat();
            // A control file that is there is replaced then.
            let means = |word: &str| word == "--overwrite";
            let word = given.into_iter().find(|(word, given)| *given && !means(word))?.0;
            Some(format!("{word} has no meaning for {id}: RMAN brings a database back as a whole"))
        }
        (true, _) => Some(format!("{id} is of RMAN: say --mode FULL or --mode INCREMENTAL")),
        (false, TargetWish::Oracle(_)) => {
            Some(format!("--mode has no meaning for {id}: it is no backup of RMAN"))
        }
        (false, _) => None,
    }
}

/// Makes the plan.
pub fn plan(
    spec: &RestoreSpec,
    (wish, aim): (&ClusterWish, Option<&Aim>),
    picked: &Picked,
    beside: &[Shelved],
    work: Work<'_>,
) -> Result<ClusterPlan, Setback> {
    let plan = ClusterPlan::decide((wish, aim), picked, beside, work).map_err(Setback::of)?;
    agree(spec, picked, &plan.manifests[..plan.manifests.len() - 1], work)?;
    Ok(plan)
}

/// Performs the plan. The inner error is one of a cluster that is in its place.
pub fn perform(
    spec: &RestoreSpec,
    plan: &ClusterPlan,
    picked: &Picked,
    work: Work<'_>,
) -> Result<Result<(), Fault>, Setback> {
    let meter = Meter::default();
    let of = |manifest| Fetch {
        store: picked.store.as_ref(),
        manifest,
        key: picked.key.as_ref(),
        meter: &meter,
    };
    let fetches: Vec<Fetch<'_>> = plan.manifests.iter().map(of).collect();
    let last = fetches.last().expect("BUG: a chain without its end");
    let made =
        assemble(plan, &fetches, &meter, work).and_then(|made| match made.damage.is_empty() {
            true => Ok(made),
            false => Err(Fault::Unproven {
                title: picked.manifest.head.key.clone(),
                damage: made.damage,
            }),
        });
    let made = made.map_err(|fault| {
        leave(plan, work);
        blame(spec, plan, picked, fault, work)
    })?;
    work.tell(
        "unpacked; pg_verifybackup: every file and the WAL are as the backup's own manifest says",
    );
    if let Some(recovery) = &plan.recovery
        && let Err(fault) = try_fetch(plan, recovery, &made, work)
    {
        leave(plan, work);
        return Err(Setback::of(fault));
    }
    put(spec, plan, &made, last, work).map_err(Setback::late)
}

/// A fault before anything was changed. Where another backup is to be taken, it is looked up what
/// of the chain is damaged, so that nothing else is taken that adds to it.
fn blame(
    spec: &RestoreSpec,
    plan: &ClusterPlan,
    picked: &Picked,
    fault: Fault,
    work: Work<'_>,
) -> Setback {
    if spec.fallback
        && fault.condemns()
        && let Err(found) = prove(spec, picked, &plan.manifests, None, work)
    {
        return found;
    }
    Setback::of(fault)
}

/// Puts what was made in the place of the old cluster.
fn put(
    spec: &RestoreSpec,
    plan: &ClusterPlan,
    made: &Assembled,
    last: &Fetch<'_>,
    work: Work<'_>,
) -> Result<Result<(), Fault>, Fault> {
    if let Some(pid) = plan.running {
        plan.control.stop(&plan.place.data, work.stop).inspect_err(|_| leave(plan, work))?;
        work.tell(format_args!("stopped the server, process {pid}"));
    }
    switch(plan, made, work)?;
    for line in plan.config.write(&plan.facts, last, plan.control.owner, work.stop)? {
        work.tell(line);
    }
    if let Some(recovery) = &plan.recovery {
        recovery.write(&plan.place.data, plan.control.owner)?;
        work.tell("wrote restore_command and where the recovery ends into postgresql.auto.conf, and recovery.signal");
    }
    if !plan.starts {
        tell_start(plan, work);
        return Ok(Ok(()));
    }
    start(plan, &spec.into, work)
}

/// Has a file of the log brought as the server will, before anything of the old cluster is touched:
/// as its user, with its rights.
fn try_fetch(
    plan: &ClusterPlan,
    recovery: &Recovery,
    made: &Assembled,
    work: Work<'_>,
) -> Result<(), Fault> {
    let Some(first) = recovery.way.segments.first() else { return Ok(()) };
    let to = made.data.join("pg_wal").join("vex-try");
    let mut words = recovery.wish.command.clone();
    words.extend([first.to_string(), to.display().to_string()]);
    let fetched =
        plan.control.as_owner(&words, &format!("bring {first} as the server will"), work.stop);
    drop(std::fs::remove_file(&to));
    fetched.map_err(|error| {
        Fault::from(error.hint(
            "The user of the server runs the restore_command: it must be able to read the job file, its secrets and the stores; \
             variables that hold secrets must be in the environment that the server is started with.",
        ))
    })?;
    work.tell(format_args!("brought {first} of the log as the server will"));
    Ok(())
}

fn assemble(
    plan: &ClusterPlan,
    fetches: &[Fetch<'_>],
    meter: &Meter,
    work: Work<'_>,
) -> Result<Assembled, Fault> {
    let spaces =
        plan.spaces.iter().map(|(space, to)| (space.clone(), plan.space_folder(to))).collect();
    let chain = fetches.iter().map(|f| Fetch { ..*f }).collect();
    let control = plan.control.clone();
    let assembly = Assembly { chain, folder: plan.folder(), spaces, control };
    meter.expect(plan.manifests.iter().map(|m| m.head.totals.raw).sum());
    assembly.make(work.stop)
}

/// Removes what was unpacked; the old cluster was not touched.
fn leave(plan: &ClusterPlan, work: Work<'_>) {
    let spaces = plan.spaces.iter().map(|(_, to)| plan.space_folder(to));
    for path in spaces.chain([plan.folder()]).filter(|path| path.exists()) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            work.warn(format_args!("{} stays and can be removed: {error}", path.display()));
        }
    }
    work.warn("nothing of the old cluster was changed");
}

/// The moment in which the new cluster takes the place of the old one.
fn switch(plan: &ClusterPlan, made: &Assembled, work: Work<'_>) -> Result<(), Fault> {
    let (place, owner) = (&plan.place, plan.control.owner);
    for ((space, to), (_, fresh)) in plan.spaces.iter().zip(&made.spaces) {
        if let Some(old) = replace_space(to, fresh, &plan.stamp, owner)? {
            work.tell(format_args!(
                "moved the old files of tablespace {} to {}",
                space.name,
                old.display()
            ));
        }
        owner.give(to)?;
        link(&made.data, space.oid, to)?;
    }
    write_map(&made.data, &plan.spaces, owner)?;
    for name in detach(&made.data)? {
        work.tell(format_args!("put {name} aside as {name}.off: this server follows nobody"));
    }
    if let Some(old) = place.replace(&made.data, &plan.stamp)? {
        work.tell(format_args!("moved the old data directory to {}", old.display()));
    }
    for path in plan.spaces.iter().map(|(_, to)| plan.space_folder(to)).chain([plan.folder()]) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            work.warn(format_args!("{} stays and can be removed: {error}", path.display()));
        }
    }
    work.tell(format_args!("the backup is in its place: {}", place.data.display()));
    Ok(())
}

/// What to do next, where vex does not start the server.
fn tell_start(plan: &ClusterPlan, work: Work<'_>) {
    work.tell(format_args!(
        "start it: `systemctl start postgresql` (Debian: `systemctl start postgresql@{}-main`), then read its log for \
         `database system is ready` and for ERROR, FATAL and PANIC",
        plan.facts.major()
    ));
    if plan.recovery.is_some() {
        work.tell(
            "it recovers first, and whether it gets there is not known before: look for `recovery stopping` and `archive recovery \
             complete` in its log; where a file of the log can't be brought it stops with FATAL, and goes on when it is started again",
        );
    }
    if plan.facts.archives {
        work.tell(
            "! archive_mode is on in its configuration: while the server it came from may still run, start it with \
             `-o '-c archive_mode=off'` (pg_ctl), so that it sends nothing into that server's archive",
        );
    }
    let settings = plan.config.settings(&plan.facts);
    if !settings.is_empty() {
        let words: Vec<String> =
            settings.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
        work.tell(format_args!(
            "its configuration is elsewhere: postgres -D {} {}",
            plan.place.data.display(),
            words.join(" ")
        ));
    }
}

/// Starts the server, waits for it, and reads its log.
fn start(plan: &ClusterPlan, into: &str, work: Work<'_>) -> Result<Result<(), Fault>, Fault> {
    let log = plan.place.beside(&format!(".log-{}", plan.stamp));
    plan.control.owner.write(&log, b"")?;
    let mut settings = plan.config.settings(&plan.facts);
    settings.extend(plan.set.iter().cloned());
    if plan.recovery.is_some() {
        // Connections wait until it is over, and so does pg_ctl; its messages are read.
        let own = [("hot_standby", "off"), ("lc_messages", "C"), ("log_min_messages", "warning")];
        settings.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if plan.set.iter().all(|(name, _)| name != "archive_mode") {
            // It is of the same cluster, and its new timeline would be the newest of the archive.
            settings.push(("archive_mode".to_owned(), "off".to_owned()));
            work.tell("archive_mode is off in it, so that it sends nothing into the archive it came from; `--set archive_mode=on` starts it with");
        }
    }
    let began = std::time::SystemTime::now();
    let mut started = plan.control.start(&plan.place.data, &settings, &log, work.stop);
    if plan.recovery.is_some() && started.is_ok() {
        work.tell("the server is started, and lets nobody in until it has recovered");
        started = plan.control.recovered(&plan.place.data, work.stop);
    }
    let text = config::logs(&plan.place.data, &log, began);
    let found = problems(&text);
    found.iter().for_each(|(_, line)| work.tell(format_args!("! log: {line}")));
    let asked = |error: Error| {
        error.hint(format!(
            "Its whole log is {}. What was given on its command line is given with --set.",
            log.display()
        ))
    };
    started.map_err(asked)?;
    work.tell(format_args!(
        "the server is started and lets connections in; its log is {}",
        log.display()
    ));
    if let Some(recovery) = &plan.recovery {
        match recovery.reached(&text) {
            Ok(line) => work.tell(format_args!("the recovery is over: {line}")),
            Err(found) => return Ok(Err(Fault::Differs { found, hint: None })),
        }
    }
    let bad = found.iter().filter(|(grave, _)| *grave).count();
    if bad > 0 {
        let found = format!("its log has {} lines that somebody must look at", found.len());
        return Ok(Err(Fault::Differs { found, hint: None }));
    }
    work.tell(format_args!("restored {into}: its log has no ERROR, FATAL or PANIC"));
    Ok(Ok(()))
}
