//! `vex drill`: restore drills and what people have to say about them, by the catalog.
//!
//! Drills are made by runs (`verify … into=`); here they are shown. Remarks are only added.

use serde_json::json;

use crate::catalog::{self, Catalog, CatalogError, Remark};
use crate::cli::args::{Drill, DrillList, DrillRemark, Format};
use crate::cli::asked::{Asked, unable};
use crate::cli::exit::Exit;
use crate::cli::report::zone;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, complain, tell, who};
use crate::lang::Lang;
use crate::plan::StepKind;
use crate::record::Verdict;
use crate::view::verdict;

/// Shows drills, or remarks on one.
pub fn drill(args: &Drill, app: &App) -> Exit {
    let done = match args {
        Drill::List(args) => list(args, app),
        Drill::Remark(args) => remark(args, app),
    };
    match done {
        Ok(exit) | Err(exit) => exit,
    }
}

/// What a step drills.
fn drilled(kind: &StepKind) -> Option<&str> {
    if let StepKind::Verify(verify) = kind { Some(&verify.source.name) } else { None }
}

/// The drills of the sources of a file, or all, newest first; with all remarks.
fn known(
    catalog: &mut Catalog,
    file: Option<&Loaded>,
) -> Result<(Vec<catalog::Drill>, Vec<Remark>), CatalogError> {
    let mut drills = catalog.drills()?;
    if let Some(file) = file {
        // Those of the files of a cluster have a name of their own: `erp-physical`.
        let steps = file.plans.iter().flat_map(|plan| &plan.steps);
        let own: Vec<&str> = steps.filter_map(|step| drilled(&step.kind)).collect();
        let is_own = |name: &str| {
            own.contains(&name) || file.file.sources.iter().any(|s| s.name.value == name)
        };
        drills.retain(|drill| is_own(&drill.source));
    }
    Ok((drills, catalog.remarks()?))
}

fn list(args: &DrillList, app: &App) -> Result<Exit, Exit> {
    let Asked { site, file, lang, mut catalog, .. } =
        Asked::open((args.file.as_ref(), &[]), args.site.as_deref(), app)?;
    let (drills, remarks) = known(&mut catalog, file.as_ref()).map_err(unable)?;
    match args.format {
        Format::Json => {
            for drill in &drills {
                let remarks: Vec<_> = on(drill, &remarks)
                    .map(|r| json!({"at": r.at, "who": r.who, "text": r.body, "owner": r.owner}))
                    .collect();
                tell(&line(drill, remarks).to_string());
            }
        }
        Format::Human if drills.is_empty() => tell(&lang.say("drill-nothing", &[])),
        Format::Human => {
            let zone = zone(&site);
            let mut rows = vec![heads(lang)];
            for drill in &drills {
                rows.push(cells(drill, lang, &zone));
                for remark in on(drill, &remarks) {
                    let owner = match remark.owner.as_str() {
                        "" => String::new(),
                        owner => format!(" ({owner})"),
                    };
                    let text = format!("{}: {}{owner}", remark.who, remark.body);
                    rows.push(vec![String::new(), shown(&remark.at, &zone), text]);
                }
            }
            table::print(&rows);
        }
    }
    Ok(Exit::Success)
}

/// The remarks on a drill.
fn on<'a>(drill: &'a catalog::Drill, all: &'a [Remark]) -> impl Iterator<Item = &'a Remark> {
    all.iter().filter(|remark| remark.drill == drill.id)
}

/// A drill, for programs.
fn line(d: &catalog::Drill, remarks: Vec<serde_json::Value>) -> serde_json::Value {
    json!({
        "version": 1, "drill": d.id, "at": d.at, "source": d.source, "backup": d.backup,
        "store": d.store, "target": d.target, "verdict": verdict(Some(d.verdict)).map(Verdict::slug),
        "tables": d.tables, "rows": d.rows, "rto_seconds": d.rto, "who": d.who,
        "message": d.message, "remarks": remarks,
    })
}

fn heads(lang: Lang) -> Vec<String> {
    let keys = ["drill", "at", "source", "backup", "target", "rto", "rows", "verdict"];
    keys.iter().map(|key| lang.say(&format!("drill-head-{key}"), &[])).collect()
}

fn cells(drill: &catalog::Drill, lang: Lang, zone: &jiff::tz::TimeZone) -> Vec<String> {
    let rto = drill.rto.map_or_else(String::new, |s| format!("{s} s"));
    let why = if drill.message.is_empty() { "" } else { ": " };
    vec![
        drill.id.clone(),
        shown(&drill.at, zone),
        drill.source.clone(),
        format!("{} ({})", drill.backup, drill.store),
        drill.target.clone(),
        rto,
        drill.rows.map_or_else(String::new, |rows| rows.to_string()),
        format!("{}{why}{}", word(drill.verdict, lang), drill.message),
    ]
}

/// A moment of the catalog in a zone.
fn shown(at: &str, zone: &jiff::tz::TimeZone) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.to_owned(),
    }
}

/// A verdict as a person reads it.
fn word(code: u8, lang: Lang) -> String {
    let slug = verdict(Some(code)).unwrap_or(Verdict::Error).slug();
    lang.say(&format!("verdict-{slug}"), &[])
}

fn remark(args: &DrillRemark, app: &App) -> Result<Exit, Exit> {
    let Asked { file, mut catalog, .. } =
        Asked::open((Some(&args.file), &[]), args.site.as_deref(), app)?;
    if args.text.trim().is_empty() {
        complain("a remark without a text says nothing: write --text \"…\"");
        return Err(Exit::Usage);
    }
    let (drills, _) = known(&mut catalog, file.as_ref()).map_err(unable)?;
    let found: Vec<&catalog::Drill> =
        drills.iter().filter(|d| d.id.starts_with(&args.drill)).collect();
    let drill = match found.as_slice() {
        [drill] => *drill,
        [] => {
            complain(&format!("no drill begins with {}: see `vex drill list`", args.drill));
            return Err(Exit::Usage);
        }
        several => {
            let names: Vec<&str> = several.iter().map(|d| d.id.as_str()).collect();
            complain(&format!("several drills begin with {}: {}", args.drill, names.join(", ")));
            return Err(Exit::Usage);
        }
    };
    let note = Remark {
        at: catalog::moment(app.world.clock.now()),
        who: who(&app.world),
        kind: "correction".into(),
        drill: drill.id.clone(),
        source: drill.source.clone(),
        body: args.text.clone(),
        owner: args.owner.clone(),
        open: !args.owner.is_empty(),
    };
    catalog.remark(&note).map_err(unable)?;
    tell(&format!("{}: {}", drill.id, args.text));
    Ok(Exit::Success)
}
