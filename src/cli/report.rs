//! `vex report`: the catalog as a folder of pages.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::catalog::Catalog;
use crate::cli::args::Report;
use crate::cli::declare::declaration;
use crate::cli::exit::Exit;
use crate::cli::home::MACHINE;
use crate::cli::wiring::{App, Loaded, complain, open_catalog, tell};
use crate::job::JobFile;
use crate::report::ReportFolder;
use crate::view::{self, Made, Reader, Viewer};
use crate::world::{Child, World};

/// Writes the report.
pub fn report(args: &Report, app: &App) -> Exit {
    let (site, files) = match sites(&args.files, args.site.as_deref()) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let Some(out) = args.out.clone().or_else(|| site.site.report.clone()) else {
        complain("name the folder of the report: --out DIR, or `report out=` in the site file");
        return Exit::Usage;
    };
    let mut catalog = match open_catalog(&app.world, &site, &app.stop) {
        Ok(catalog) => catalog,
        Err(why) => {
            complain(&why);
            return Exit::Error;
        }
    };
    for file in &files {
        if let Err(error) = catalog.declare(&declaration(file, &app.world)) {
            complain(&error.to_string());
            return Exit::Error;
        }
    }
    let lang = app.language(&site);
    let reader = Reader { lang, zone: zone(&site) };
    let first = files.first().map_or("jobs/nightly.kdl", |f| f.path.as_str());
    match write(&app.world, &mut catalog, reader, first, &out) {
        Ok(made) => {
            let page = out.join("index.html");
            tell(&format!(
                "{}: {} backups, {} pages written, {} as they were",
                page.display(),
                made.backups,
                made.pages,
                made.kept
            ));
            if args.open { open(&page, app) } else { Exit::Success }
        }
        Err(why) => {
            complain(&why);
            Exit::Error
        }
    }
}

/// Writes the report of a catalog into a folder; the error says why there is none.
pub fn write(
    world: &World,
    catalog: &mut Catalog,
    reader: Reader,
    file: &str,
    out: &Path,
) -> Result<Made, String> {
    let unable =
        |error: std::io::Error| format!("unable to write the report in {}: {error}", out.display());
    let viewer = Viewer::of_report(reader, world.clock.now(), &world.host());
    let mut folder = ReportFolder::open(out).map_err(unable)?;
    let made = view::report(&viewer, catalog, file, &mut folder).map_err(|e| e.to_string())?;
    folder.finish().map_err(unable)?;
    Ok(made)
}

/// The zone of pages: the site's, else the machine's.
pub fn zone(site: &JobFile) -> TimeZone {
    let named = site.site.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
    named.unwrap_or_else(TimeZone::system)
}

/// The site of a command that needs no job file, and the job files that it was given. Without any
/// the site is the named file, else that of the machine, else nothing.
pub fn sites(files: &[PathBuf], site: Option<&Path>) -> Result<(JobFile, Vec<Loaded>), Exit> {
    let mut loaded = Vec::new();
    for file in files {
        loaded.push(Loaded::open(file, site, false)?);
    }
    if let Some(first) = loaded.first() {
        return Ok((first.file.clone(), loaded));
    }
    let machine = Path::new(MACHINE);
    let Some(path) = site.or(machine.exists().then_some(machine)) else {
        return Ok((JobFile::default(), loaded));
    };
    // A site file has the same grammar as a job file.
    let file = Loaded::open(path, None, false)?.file;
    Ok((file, loaded))
}

/// Opens a page in the browser that the machine prefers.
fn open(page: &Path, app: &App) -> Exit {
    let page = page.canonicalize().unwrap_or_else(|_| page.to_path_buf());
    let command = ["xdg-open".to_owned(), page.display().to_string()];
    match Child::new(&command).run(&app.stop, &mut |_| {}) {
        Ok(_) => Exit::Success,
        Err(error) => {
            complain(&format!("unable to open {}: {error}", page.display()));
            Exit::Error
        }
    }
}
