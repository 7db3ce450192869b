//! `vex export`: the SQL of a backup as one plain file, for the client program of the database.
//!
//! The file appears whole or not at all, readable by its owner only; it is written under another
//! name beside it.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::artifact::Kind;
use crate::base::{Size, Stop};
use crate::pipeline::{self, ExportError, Fetch, Meter};
use crate::recover::{Fault, Picked, pick, scripts};
use crate::source;

use crate::cli::args::Export;
use crate::cli::exit::Exit;
use crate::cli::operator::Terminal;
use crate::cli::wiring::{App, complain, fail, tell};
use crate::cli::wish::wish;

/// What stands for standard output.
const STDOUT: &str = "-";

/// Writes the file.
pub fn export(args: &Export, app: &App) -> Exit {
    match try_export(args, app) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn try_export(args: &Export, app: &App) -> Result<(), Exit> {
    let to_stdout = args.sql.as_os_str() == STDOUT;
    if !to_stdout {
        free(&args.sql, args.overwrite)?;
    }
    let wish = wish(&args.which)?;
    let picked = pick(&wish.backup, &app.world, &Terminal, &app.stop);
    let mut picked = picked.map_err(|fault| fail(&fault))?;
    picked.load(&args.only, &app.stop).map_err(|fault| fail(&fault))?;
    let manifest = &picked.manifest;
    let dialect = source::dialect(&manifest.head.kind).ok_or_else(|| {
        complain(&format!("this vex does not know backups of kind {}", manifest.head.kind));
        Exit::Error
    })?;
    let chosen = scripts(manifest, dialect, &args.only).map_err(|fault| fail(&fault))?;
    warn(&picked);
    let out = if to_stdout { "standard output".to_owned() } else { args.sql.display().to_string() };
    let done = if to_stdout {
        write(&picked, &chosen, &mut io::stdout().lock(), &app.stop)
    } else {
        keep(&picked, &chosen, &args.sql, args.overwrite, &app.stop)
    };
    let bytes = done.map_err(|error| match error {
        ExportError::Read(error) => fail(&Fault::from(error)),
        ExportError::Write(error) => {
            complain(&format!("unable to write {out}: {error}"));
            Exit::Error
        }
    })?;
    if !to_stdout {
        tell(&format!(
            "{out}: {} of SQL from {}, every entry as the manifest says",
            Size(bytes),
            manifest.head.key
        ));
    }
    Ok(())
}

/// Refuses a path where something is that may not be replaced.
fn free(path: &Path, overwrite: bool) -> Result<(), Exit> {
    let why = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => error.to_string(),
        Ok(there) if !there.is_file() => {
            "it is there and no plain file. Name another, or - for standard output".into()
        }
        Ok(_) if overwrite => return Ok(()),
        Ok(_) => "it exists. Name another, or replace it with --overwrite".into(),
    };
    complain(&format!("unable to write {}: {why}.", path.display()));
    Err(Exit::Error)
}

/// What the file will not hold.
fn warn(picked: &Picked) {
    let manifest = &picked.manifest;
    if !manifest.head.inconsistent.is_empty() {
        complain(&format!("! not one point in time: {}", manifest.head.inconsistent.join("; ")));
    }
    for missing in &manifest.head.not_included {
        complain(&format!("! not included: {missing}"));
    }
    let accounts = manifest.members.iter().filter(|m| m.kind == Kind::Account).count();
    if accounts > 0 {
        complain(&format!(
            "! leaves out {accounts} accounts; `vex restore --accounts` restores them"
        ));
    }
}

fn write(
    picked: &Picked,
    chosen: &[bool],
    out: &mut dyn Write,
    stop: &Stop,
) -> Result<u64, ExportError> {
    let (key, meter) = (picked.key.as_ref(), Meter::default());
    let fetch =
        Fetch { store: picked.store.as_ref(), manifest: &picked.manifest, key, meter: &meter };
    pipeline::export(&fetch, chosen, out, stop)
}

/// Writes beside `path`, and gives it its name at the end.
fn keep(
    picked: &Picked,
    chosen: &[bool],
    path: &Path,
    overwrite: bool,
    stop: &Stop,
) -> Result<u64, ExportError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = tempfile::Builder::new().prefix(".vex-export-").tempfile_in(folder);
    let mut file: NamedTempFile = named.map_err(ExportError::Write)?;
    let mut out = BufWriter::new(file.as_file_mut());
    let bytes = write(picked, chosen, &mut out, stop)?;
    drop(out);
    file.as_file().sync_all().map_err(ExportError::Write)?;
    let kept = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map_err(|e| ExportError::Write(e.error))?;
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(ExportError::Write)?;
    Ok(bytes)
}
