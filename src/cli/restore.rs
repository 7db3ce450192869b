//! `vex restore` and `vex verify`: the plan of what is read and replaced first, the proof last.

use std::slice;

use crate::artifact::{Damage, Dialect, Kind, Level, Member};
use crate::base::{Size, Stop};
use crate::pipeline::{self, Fetch, Meter};
use crate::source::{
    self,
    contract::{Source, Terms},
};
use crate::step::{
    Choice, Fault, Opened, Restored, choose_from, may_write, restore_into, with_accounts,
};

use crate::cli::args::{Definer, Format, Gtid, Restore, Verify};
use crate::cli::exit::Exit;
use crate::cli::fallback::{self, Setback, agree, may_fall_back, offer, tell_passed};
use crate::cli::into;
use crate::cli::offer::{Offers, Picked};
use crate::cli::permit::Permit;
use crate::cli::pgdata;
use crate::cli::pick::{look, pick};
use crate::cli::wiring::{App, complain, fail, tell};

/// Reads a backup back.
pub fn verify(args: &Verify, app: &App) -> Exit {
    let mut picked = match pick(&args.which, &app.world, &app.stop) {
        Ok(picked) => picked,
        Err(exit) => return exit,
    };
    let Some(dialect) = source::dialect(&picked.manifest.head.kind) else {
        complain(&format!("this vex does not know backups of kind {}", picked.manifest.head.kind));
        return Exit::Error;
    };
    let damage = match read(&mut picked, dialect, app) {
        Ok(damage) => damage,
        Err(fault) => return fail(&fault),
    };
    let proof = fallback::proof(&picked.manifest, Level::Read, &damage, app);
    fallback::note(&picked, &picked.manifest, &proof, app);
    let rows: u64 = picked.manifest.proofs().iter().map(|(_, p)| p.rows).sum();
    match args.format {
        Format::Json => {
            tell(&serde_json::to_string(&proof).expect("BUG: a proof that is not JSON"))
        }
        Format::Human if proof.good => {
            let entries = picked.manifest.head.totals.entries;
            tell(&format!(
                "{}: proven, {entries} entries and {rows} rows as the manifest says",
                picked.manifest.head.key
            ));
        }
        Format::Human => {
            for line in &proof.damage {
                tell(line);
            }
            tell(&format!(
                "{}: damaged in {} places",
                picked.manifest.head.key,
                proof.damage.len()
            ));
        }
    }
    if proof.good { Exit::Success } else { Exit::Damage }
}

/// Reads all of a backup, its index first; returns what is damaged.
fn read(picked: &mut Picked, dialect: Dialect, app: &App) -> Result<Vec<Damage>, Fault> {
    let store = picked.store.clone();
    if let Err(fault) = picked.open(&app.stop) {
        return Ok(vec![fault.damage()?]);
    }
    let opened = Opened::new(store.as_ref(), picked.contents());
    let meter = Meter::default();
    Ok(pipeline::verify(&fetch(picked, &meter), &opened, dialect, 4, &app.stop)?)
}

fn fetch<'a>(picked: &'a Picked, meter: &'a Meter) -> Fetch<'a> {
    Fetch {
        store: picked.store.as_ref(),
        manifest: &picked.manifest,
        password: picked.password.as_ref(),
        meter,
    }
}

/// Brings a backup back.
pub fn restore(args: &Restore, app: &App) -> Exit {
    match try_restore(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

/// Takes one backup after the other until one comes back, if it may.
fn try_restore(args: &Restore, app: &App) -> Result<Exit, Exit> {
    let terms = terms(args)?;
    let mut offers = look(&args.which, &app.world, &app.stop)?;
    may_fall_back(args, &offers)?;
    loop {
        let mut picked = offers.take(&args.which, &app.stop)?;
        let loaded = picked.load(&args.only, &app.stop).map_err(Setback::of);
        let own = slice::from_ref(&picked.manifest);
        let ended = loaded.and_then(|()| agree(args, &picked, own, app)).and_then(|()| {
            pgdata::route(args, &picked, app).unwrap_or_else(|| one(args, &picked, terms, app))
        });
        match ended {
            Ok(exit) => return Ok(caveat(args, &offers, &picked, exit, app)),
            Err(Setback::Unusable { fault, bad }) => {
                let another_may_do = fault.condemns() || offers.has_copy(&picked);
                offers.pass_over(&picked, &bad);
                if args.fallback && another_may_do {
                    tell_passed(&picked, &fault);
                    continue;
                }
                let exit = fail(&fault);
                if another_may_do {
                    offer(args, &mut offers, &picked, false);
                }
                return Err(exit);
            }
            Err(Setback::Spoilt(exit)) => {
                offers.pass_over(&picked, &[]);
                offer(args, &mut offers, &picked, true);
                return Err(exit);
            }
            Err(Setback::Ended(exit)) => return Err(exit),
        }
    }
}

/// Says last that the backup is not the newest, and how old its data are.
fn caveat(args: &Restore, offers: &Offers, picked: &Picked, exit: Exit, app: &App) -> Exit {
    let Some(line) = offers.caveat(picked, app.world.clock.now()) else { return exit };
    tell(&line);
    if args.strict { exit.worse(Exit::Alert) } else { exit }
}

/// Brings one backup back, unless it holds the files of a cluster.
fn one(args: &Restore, picked: &Picked, terms: Terms, app: &App) -> Result<Exit, Setback> {
    let into = into::target(
        args,
        picked.file.as_ref(),
        &picked.manifest.head.source,
        &app.world,
        &app.stop,
    );
    let into = into.map_err(Setback::Ended)?;
    let (target, rename) = (into.source, args.rename.clone().or(into.database));
    let (meter, only) = (Meter::default(), &args.only);
    let choice =
        choose_from(&fetch(picked, &meter), only, rename.as_deref(), args.overwrite, &app.stop);
    let mut choice = choice.map_err(Setback::of)?;
    choice.loading.resume = args.resume;
    choice.loading.terms = terms;
    if args.accounts {
        with_accounts(&picked.manifest, &mut choice).map_err(Setback::of)?;
    }
    let existing = show(args, picked, target.as_ref(), &choice, &app.stop).map_err(Setback::of)?;
    let permit = Permit::new(
        &app.world,
        &picked.manifest.head.id,
        target.place(),
        &args.only,
        rename.as_deref(),
    );
    if args.resume && !permit.is_open() {
        complain(&format!(
            "unable to resume: no restore of {} into {} with this choice was interrupted on this machine. Start it without \
             --resume.",
            picked.manifest.head.id,
            target.place()
        ));
        return Err(Setback::Ended(Exit::Error));
    }
    if args.fallback {
        if !args.dry_run {
            // Who reads for hours should not hear of this afterwards.
            may_write(&existing, &choice, target.place()).map_err(Setback::of)?;
        }
        let own = slice::from_ref(&picked.manifest);
        fallback::prove(args, picked, own, Some(&choice.chosen), app)?;
    }
    if args.dry_run {
        if args.fallback {
            tell(&format!("{} is whole: it would be restored", picked.manifest.head.id));
        }
        return Ok(Exit::Success);
    }
    if source::resumes(&picked.manifest.head.kind) && (existing.is_empty() || args.overwrite) {
        permit.begin().map_err(|error| {
            complain(&format!(
                "unable to begin the restore: the state folder can't be written: {error}"
            ));
            Setback::Ended(Exit::Error)
        })?;
    }
    let meter = Meter::default();
    let fetch = fetch(picked, &meter);
    let threads = usize::from(args.threads);
    let result = restore_into(&fetch, target.as_ref(), &choice, threads, &meter, None, &app.stop);
    let Restored { outcome, remarks } = result.map_err(|fault| {
        let setback = Setback::late(&fault);
        let id = &picked.manifest.head.id;
        // What is wrong in the backup is there the next time too.
        let hint = match (permit.is_open() && !fault.condemns(), args.fallback) {
            (true, true) => format!(
                "; the same command with --resume --backup {id} instead of --fallback goes on"
            ),
            (true, false) => "; the same command with --resume goes on".to_owned(),
            (false, _) => String::new(),
        };
        complain(&format!("INCOMPLETE: what was restored so far is not the backup{hint}"));
        setback
    })?;
    if let Err(error) = permit.end() {
        complain(&format!(
            "the mark of this restore could not be removed from the state folder: {error}"
        ));
    }
    for remark in &remarks {
        tell(remark);
    }
    let damage = outcome.differences();
    for line in &damage {
        tell(&format!("differs: {line}"));
    }
    inventory(picked, &choice);
    if damage.is_empty() {
        let proof = match choice.recounted(&picked.manifest).is_empty() {
            false => "every row count and digest is as the manifest says",
            true => "it holds no row count or digest that could be compared",
        };
        tell(&format!("restored {} into {}: {proof}", picked.manifest.head.id, target.place()));
        Ok(Exit::Success)
    } else {
        let gtid = if terms.gtid { "; the GTID state was not taken over" } else { "" };
        tell(&format!("INCOMPLETE: {} differences from the manifest{gtid}", damage.len()));
        Ok(Exit::Damage)
    }
}

/// The plan: what is read, and what is replaced. Returns what exists.
fn show(
    args: &Restore,
    picked: &Picked,
    target: &dyn Source,
    choice: &Choice,
    stop: &Stop,
) -> Result<Vec<String>, Fault> {
    let manifest = &picked.manifest;
    tell(&format!(
        "backup {} of {} ({}), taken {} on {}",
        manifest.head.id,
        manifest.head.source,
        manifest.head.server,
        manifest.head.finished,
        manifest.head.host
    ));
    let entries = manifest.entries.iter().filter(|e| choice.chosen[e.member]);
    let (stored, raw) = entries.fold((0, 0), |(s, r), e| (s + e.stored, r + e.raw));
    tell(&format!(
        "reads {} ({} unpacked) of {} in {}",
        Size(stored),
        Size(raw),
        manifest.head.key,
        picked.store.place()
    ));
    if !manifest.head.inconsistent.is_empty() {
        tell(&format!("! not one point in time: {}", manifest.head.inconsistent.join("; ")));
    }
    for missing in &manifest.head.not_included {
        tell(&format!("! not included: {missing}"));
    }
    let opened = target.target(1, stop)?;
    opened.agree(&choice.loading, stop)?;
    let existing = opened.existing(&choice.loading, stop)?;
    tell(&format!(
        "writes into {}: {} tables, {} views",
        target.place(),
        choice.count(Kind::Table),
        choice.count(Kind::View)
    ));
    let accounts = |members: &[Member]| members.iter().filter(|m| m.kind == Kind::Account).count();
    match (accounts(&manifest.members), accounts(&choice.loading.members)) {
        (0, _) => {}
        (held, 0) => tell(&format!("! leaves out {held} accounts; --accounts restores them")),
        (held, _) if args.overwrite => {
            tell(&format!("replaces {held} accounts, but never the one that restores"))
        }
        (held, _) => tell(&format!("makes {held} accounts; those that exist are kept as they are")),
    }
    tell_terms(args, choice);
    if args.resume {
        tell(&format!(
            "goes on: {} objects are there, and tables that are proven stay",
            existing.len()
        ));
    } else if args.overwrite || args.dry_run {
        let word = if args.overwrite { "replaces" } else { "! exists:" };
        for object in &existing {
            tell(&format!("{word} {object}"));
        }
    }
    let meter = Meter::default();
    let fetch = fetch(picked, &meter);
    let restore = pipeline::Restore {
        fetch: &fetch,
        target: opened.as_ref(),
        loading: &choice.loading,
        chosen: &choice.chosen,
    };
    let objections = pipeline::preflight(&restore, stop)?;
    for objection in &objections {
        tell(&format!("! will not fit: {}: {}", objection.what, objection.why));
    }
    let mut blocked: Vec<&str> =
        objections.iter().filter(|o| o.blocks).map(|o| o.what.as_str()).collect();
    blocked.dedup();
    if let Some(first) = blocked.first() {
        return Err(Fault::Nothing {
            doing: format!("restore into {}", target.place()),
            found: format!(
                "{first} and {} others would not fit; nothing was written",
                blocked.len() - 1
            ),
            hint: Some("Choose others with --only, or a server that has what is missing.".into()),
        });
    }
    Ok(existing)
}

/// How the target is treated.
fn terms(args: &Restore) -> Result<Terms, Exit> {
    let gtid = args.gtid == Gtid::Set;
    if gtid && !args.skip_binlog {
        complain(
            "--gtid set needs --skip-binlog: the restore would write transactions with GTIDs of their own into the \
             target's binary log, beside those that it takes over.",
        );
        return Err(Exit::Usage);
    }
    Ok(Terms {
        current_definer: args.definer == Definer::Current,
        gtid,
        skip_binlog: args.skip_binlog,
    })
}

/// What is done beyond loading.
fn tell_terms(args: &Restore, choice: &Choice) {
    let terms = choice.loading.terms;
    if terms.current_definer {
        tell("makes the account that restores the definer of views, routines, triggers and events");
    }
    if terms.skip_binlog {
        tell("writes nothing into the target's binary log: its replicas will not have it");
    }
    if let Some(position) = choice.loading.position.as_ref().filter(|_| terms.gtid) {
        tell(&format!(
            "takes over the GTID state {} at the end, if nothing differs",
            position.gtid()
        ));
        if !args.only.is_empty() {
            tell(
                "! that state is of the whole server: a replica would never get what --only leaves out",
            );
        }
    }
}

/// Rows of every table that was restored.
fn inventory(picked: &Picked, choice: &Choice) {
    for (index, proof) in choice.recounted(&picked.manifest) {
        let member = &picked.manifest.members[index];
        tell(&format!("{:>12} rows  {}  {}", proof.rows, proof.digest, member.title()));
    }
}
