//! Numbers for a monitor, written after every attempt to run a job: also of one that was refused, or
//! failed before its first event.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::catalog::{Catalog, CatalogError, moment};
use crate::view::{Gauges, MeasuredJob, since, sources, standing};

use crate::cli::exit::Exit;
use crate::cli::report::zone;
use crate::cli::status::is_alive;
use crate::cli::wiring::{App, Loaded, by_file, complain, open_catalog};

/// Runs that are looked at for the last one that went well.
const RUNS: u64 = 100;

/// Writes the metrics of a job, if the site asks for them. What can't be written is told, and
/// changes nothing of a run that is over.
pub fn write_metrics(loaded: &Loaded, job: &str, app: &App, exit: Exit) {
    let Some(folder) = &loaded.file.site.metrics else { return };
    let own = MeasuredJob { file: &loaded.path, job };
    let mut gauges = Gauges::default();
    own.attempt(&mut gauges, app.world.clock.now().as_second(), exit.code());
    let known = open_catalog(&app.world, &loaded.file, &app.stop).and_then(|mut catalog| {
        measure(&mut catalog, own, loaded, app, &mut gauges).map_err(|e| e.to_string())
    });
    if let Err(why) = known {
        complain(&format!("the metrics of job {job} are those of its last attempt only: {why}"));
    }
    let path = folder.join(format!("vex-{}.prom", by_file(job, &loaded.path)));
    let earlier = std::fs::read_to_string(&path).ok();
    if let Err(error) = replace(folder, &path, &gauges.write(earlier.as_deref())) {
        complain(&format!("unable to write the metrics {}: {error}", path.display()));
    }
}

/// What the catalog knows of the job and its sources.
fn measure(
    catalog: &mut Catalog,
    own: MeasuredJob<'_>,
    loaded: &Loaded,
    app: &App,
    gauges: &mut Gauges,
) -> Result<(), CatalogError> {
    let (now, zone) = (app.world.clock.now(), zone(&loaded.file));
    let runs = catalog.runs_of((own.file, own.job), RUNS)?;
    let estate = catalog.estate(&moment(since(now, &zone)))?;
    let all = sources(&estate, now, &zone);
    let of_job: Vec<_> = all.iter().filter(|s| s.file == own.file && s.job == own.job).collect();
    let next = of_job.iter().find_map(|s| s.schedule.as_ref());
    let next = next.and_then(|(schedule, zone)| schedule.next(now, zone));
    own.runs(gauges, &runs, next.map(|at| at.as_second()));
    for source in of_job {
        let standing = standing(source, runs.first(), &|run| is_alive(run, app), (now, &zone));
        let rows = match source.newest.first() {
            Some((backup, _)) => catalog.rows_of(&backup.id)?.get(&backup.chain).copied(),
            None => None,
        };
        own.source(gauges, (source, &standing), rows);
    }
    Ok(())
}

/// Replaces a file whole; everybody may read it, since another user's monitor does.
fn replace(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    // A monitor reads what ends in `.prom` only.
    let mut new = tempfile::Builder::new().prefix(".vex-").suffix(".new").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    new.as_file().sync_all()?;
    new.persist(path).map(drop).map_err(|e| e.error)
}
