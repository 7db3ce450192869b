//! `vex bench`: the protocol of the works behind vex on the user's own server. Databases of 1, 5 and
//! 10 GB are made, backed up five times each by vex and by mydumper with 7-Zip where they are, and
//! removed.
//!
//! Invariants: a database or an object that was there is never touched; what was made is removed
//! however the command ends.

mod beside;
mod own;

use crate::base::{Size, Stop};
use crate::cli::args::{Bench, Format};
use crate::cli::bench::beside::Beside;
use crate::cli::bench::own::Own;
use crate::cli::exit::Exit;
use crate::cli::language::language;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, tell};
use crate::job::SourceSpec;
use crate::lang::Lang;
use crate::source::Ground;
use crate::store;
use crate::view::{Measured, Stages, ratios, tables};

/// Measures.
pub fn bench(args: &Bench, app: &App) -> Exit {
    match try_bench(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn unable(error: impl ToString) -> Exit {
    complain(&error.to_string());
    Exit::Error
}

fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

fn try_bench(args: &Bench, app: &App) -> Result<Exit, Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let lang = language(args.lang, loaded.file.site.language.as_deref());
    let source = loaded.file.sources.iter().find(|s| s.name.value == args.source);
    let Some(SourceSpec::Mysql(spec)) = source.map(|source| &source.spec) else {
        let what = format!("{} is no source of MySQL or MariaDB of the file", args.source);
        return Err(usage(&format!("{what}; the protocol is one of theirs")));
    };
    let store = loaded.file.stores.iter().find(|s| s.name.value == args.to);
    let store = store.ok_or_else(|| usage(&format!("the file has no store {}", args.to)))?;
    let opened = store::open(&store.spec, &app.world, &app.stop).map_err(unable)?;
    let ground = Ground::open(spec, &app.world, &app.stop).map_err(unable)?;
    let own = Own::new(args, &loaded, app)?;
    let beside = Beside::find(&ground, (opened.as_ref(), &store.prefix), args, &app.stop);
    say(args, &lang.say("bench-where", &[("server", &ground.title()), ("store", opened.place())]));
    if beside.is_none() {
        say(args, &lang.say("bench-alone", &[]));
    }
    let mut measured = Vec::new();
    for size in &args.sizes {
        let both = measure(*size, args, (&ground, &own, beside.as_ref()), app);
        // What was measured before is shown, also when the rest can't be.
        match both {
            Ok(both) => measured.extend(both),
            Err(exit) => {
                show(&measured, args.format, lang);
                return Err(exit);
            }
        }
    }
    show(&measured, args.format, lang);
    Ok(Exit::Success)
}

/// Measures one volume; its database is gone afterwards.
fn measure(
    size: Size,
    args: &Bench,
    (ground, own, beside): (&Ground, &Own<'_>, Option<&Beside<'_>>),
    app: &App,
) -> Result<Vec<Measured>, Exit> {
    let database = own.database();
    say(args, &format!("{}: {database}", size.exact()));
    ground.make(database, size.0, &app.stop).map_err(unable)?;
    let done = runs(size, args, (own, beside), app);
    let removed = ground.remove(database).map_err(|error| {
        complain(&format!("{error}. Remove it: DROP DATABASE `{database}`"));
        Exit::Error
    });
    let done = done?;
    removed?;
    Ok(done)
}

fn runs(
    size: Size,
    args: &Bench,
    (own, beside): (&Own<'_>, Option<&Beside<'_>>),
    app: &App,
) -> Result<Vec<Measured>, Exit> {
    let all = |program: &str, run: &dyn Fn(&Stop) -> Result<Stages, Exit>| {
        let mut runs = Vec::new();
        for number in 1..=args.runs {
            if app.stop.is_stopped() {
                return Err(Exit::Error);
            }
            let stages = run(&app.stop)?;
            let text = format!("{} {program} {number}/{}", size.exact(), args.runs);
            say(args, &format!("{text}: {stages:.2?}"));
            runs.push(stages);
        }
        Ok(Measured { volume: size.exact(), program: program.to_owned(), runs })
    };
    let mut measured = vec![all("vex", &|stop| own.run(stop))?];
    if let Some(beside) = beside {
        measured.push(all(&beside.title, &|stop| beside.run(own.database(), stop))?);
    }
    Ok(measured)
}

/// What is going on, on standard error: standard output is for the tables.
fn say(args: &Bench, text: &str) {
    if args.format == Format::Human {
        complain(text);
    }
}

fn show(measured: &[Measured], format: Format, lang: Lang) {
    match format {
        Format::Json => {
            for own in measured {
                let runs = own.runs.iter().map(|run| {
                    serde_json::json!({ "dump": run.dump, "press": run.press, "upload": run.upload })
                });
                tell(
                    &serde_json::json!({
                        "version": 1, "volume": own.volume, "program": own.program, "runs": runs.collect::<Vec<_>>(),
                    })
                    .to_string(),
                );
            }
        }
        Format::Human if measured.is_empty() => {}
        Format::Human => {
            for (key, rows) in
                ["bench-means", "bench-deviations"].iter().zip(tables(measured, lang))
            {
                tell(&lang.say(key, &[]));
                table::print(&rows);
            }
            tell(&lang.say("bench-stages", &[]));
            ratios(measured, lang).iter().for_each(|line| tell(line));
        }
    }
}
