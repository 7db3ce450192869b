//! A scratch instance in which RMAN validates a backup: it reads all that a restore would read, and
//! writes no data file.
//!
//! Invariants: an instance that is open is never touched, nor one that is mounted with a control file
//! that vex did not put there; a control file that vex did not make is never overwritten, so that no
//! other database can lose its own; the instance is left as it was found.

use std::path::{Path, PathBuf};

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Hear, Result};
use crate::source::oracle::facts::Asking;
use crate::source::oracle::instance::Instance;
use crate::source::oracle::script::{self, End};
use crate::source::program::Private;

/// What is validated.
pub struct Validation<'a> {
    /// The folder of the pieces, which holds nothing else.
    pub folder: &'a Path,
    /// The database that was backed up.
    pub dbid: u64,
    /// The piece of the control file.
    pub control: &'a str,
    /// Channels.
    pub channels: usize,
    /// Where a recovery would end.
    pub end: End,
}

/// A scratch instance that is started, and whose control files may be overwritten.
pub struct Lab<'a> {
    instance: &'a Instance,
    /// Where it is written down which control files vex had RMAN make there.
    note: PathBuf,
    private: &'a Private,
    hear: Hear,
    stop: &'a Stop,
    /// Whether it was started when it was found.
    started: bool,
    /// Whether an earlier validation left it mounted.
    left: bool,
    /// Where its control files go.
    files: Vec<String>,
    /// Whether it is another than it was found: it is left as it was when this is dropped.
    changed: bool,
}

impl<'a> Lab<'a> {
    /// Takes an instance, and starts it where it is not; refuses one that holds anything.
    pub fn take(
        (instance, note): (&'a Instance, PathBuf),
        private: &'a Private,
        hear: Hear,
        stop: &'a Stop,
    ) -> Result<Lab<'a>> {
        let asking = Asking { instance, private, stop };
        let status = asking.status()?;
        let mut lab = Lab {
            instance,
            note,
            private,
            hear,
            stop,
            started: status.is_some(),
            left: status.as_deref() == Some("MOUNTED"),
            files: Vec::new(),
            changed: false,
        };
        match status.as_deref() {
            None if !instance.has_parameters() => {
                return Err(lab.refuse(
                    "it is not started, and has no parameter file",
                    "Give it one with the DB_NAME of the database that was backed up, and CONTROL_FILES of its own.",
                ));
            }
            None => {
                lab.run(&script::start_lab(), stop)?;
                lab.changed = true;
            }
            Some("STARTED" | "MOUNTED") => {}
            Some(other) => {
                return Err(lab.refuse(
                    &format!("it is {other}"),
                    "Name an instance that holds nothing: STARTUP NOMOUNT is all it needs.",
                ));
            }
        }
        let files = asking.control_files()?;
        lab.may_overwrite(&files)?;
        lab.files = files;
        Ok(lab)
    }

    fn refuse(&self, found: &str, hint: &str) -> Error {
        let doing = format!("validate in {}", self.instance.place());
        Error::new(ErrorKind::Refused, doing, format!("{found}; nothing was touched")).hint(hint)
    }

    fn may_overwrite(&self, files: &[String]) -> Result<()> {
        let hint = "Give the instance CONTROL_FILES of its own, which no other database has.";
        if files.is_empty() {
            return Err(self.refuse("it does not say where its control files go", hint));
        }
        let own = std::fs::read_to_string(&self.note).unwrap_or_default();
        let is_own = |file: &String| own.lines().any(|line| line == file);
        if self.left && !files.iter().all(is_own) {
            return Err(
                self.refuse("it is mounted with a control file that vex did not make", hint)
            );
        }
        for file in files {
            if !Path::new(file).is_absolute() {
                let found = format!("whether {file} is there can't be seen");
                return Err(self.refuse(&found, hint));
            }
            if !is_own(file) && Path::new(file).symlink_metadata().is_ok() {
                let found = format!("the control file {file} is there, and vex did not make it");
                return Err(self.refuse(&found, hint));
            }
        }
        Ok(())
    }

    /// Writes down which control files are made, before the first of them is.
    fn note(&self) -> Result<()> {
        std::fs::write(&self.note, self.files.join("\n")).map_err(|e| {
            let doing = format!("write {}", self.note.display());
            Error::new(ErrorKind::Failed, doing, e.to_string())
        })
    }

    /// Removes the control files that were made, and what says so: whoever makes one there later has
    /// made it himself.
    fn forget(&self) -> std::io::Result<()> {
        let own = match std::fs::read_to_string(&self.note) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        for path in own.lines().map(Path::new).chain([self.note.as_path()]) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn run(&self, script: &str, stop: &Stop) -> Result<()> {
        let doing = format!("validate in {}", self.instance.place());
        let told = self.hear.clone();
        self.instance.rman(&doing, script, self.private, told, &mut |_| {}, stop).map(drop)
    }

    /// Has RMAN read the backup. The inner error is what RMAN found of it; the outer one is of the
    /// instance, and says nothing of the backup.
    pub fn validate(mut self, ask: &Validation<'_>) -> Result<Result<()>> {
        self.changed = true;
        self.found(ask)
    }

    fn found(&self, ask: &Validation<'_>) -> Result<Result<()>> {
        self.note()?;
        let mount = script::mount_lab(ask.folder, ask.dbid, ask.control, self.left);
        if let Err(error) = self.run(&mount, self.stop) {
            return of_backup(error);
        }
        let asking = Asking { instance: self.instance, private: self.private, stop: self.stop };
        let sets = asking.sets(&format!("{}/", ask.folder.display()))?;
        if sets.is_empty() {
            let doing = format!("validate in {}", self.instance.place());
            return of_backup(Error::new(
                ErrorKind::Damaged,
                doing,
                "RMAN took none of the pieces",
            ));
        }
        match self.run(&script::validate(ask.channels, &ask.end, &sets), self.stop) {
            Ok(()) => Ok(Ok(())),
            Err(error) => of_backup(error),
        }
    }

    /// Leaves it as it was found. After a stop it stays as it is: the next validation goes on.
    fn leave(&self) {
        if self.stop.is_stopped() {
            return;
        }
        let left = self.run(&script::leave_lab(self.started), self.stop);
        let left = left.map_err(|e| e.to_string());
        if let Err(error) = left.and_then(|()| self.forget().map_err(|e| e.to_string())) {
            let place = self.instance.place();
            (self.hear)(&format!("{place} could not be left as it was found: {error}"));
        }
    }
}

impl Drop for Lab<'_> {
    /// However a validation ends, before or after RMAN saw a piece.
    fn drop(&mut self) {
        if self.changed {
            self.leave();
        }
    }
}

/// What RMAN says of pieces is a finding of the backup, all else an error of the instance.
fn of_backup(error: Error) -> Result<Result<()>> {
    match error.kind {
        ErrorKind::Damaged | ErrorKind::Missing => Ok(Err(error)),
        _ => Err(error),
    }
}
