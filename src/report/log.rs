//! One log file a run: ISO-8601 moments with offset, level, run, step; a section per step.
//!
//! While the run lasts, lines are appended as they come, so that a crash loses none. When it ends,
//! the file is written anew with the lines of each step together, and replaced whole. A log that
//! can't be written is an Alerta, no more.
//!
//! Every run has a folder: `backup_script.log`, beside it what the engines said,
//! `mydumper_log.log`, whichever engine it is, since people know that name, and `events.ndjson`, every
//! event but the counters as JSON.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::lang::Lang;
use crate::record::{Event, LogLevel, Stamped};
use crate::report::line::line_of;
use crate::run::Listener;

/// The log of a run.
pub const SCRIPT: &str = "backup_script.log";

/// What the engines said.
pub const ENGINE: &str = "mydumper_log.log";

/// The events of a run.
pub const EVENTS: &str = "events.ndjson";

/// The log of what reads the sources, beside the log of a run.
pub fn engine_log(log: &Path) -> PathBuf {
    log.with_file_name(ENGINE)
}

/// A log.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    /// The engines' log, made with its first line.
    engine: Option<File>,
    /// The events.
    events: File,
    zone: TimeZone,
    lang: Lang,
    /// Address and lines of each step; the first is the run's own.
    sections: Vec<(String, Vec<String>)>,
    complained: bool,
}

impl Log {
    /// The log of a run in `folder`; the error says why there will be none.
    pub fn create(
        folder: &Path,
        run: &str,
        (zone, lang): (TimeZone, Lang),
    ) -> std::io::Result<Log> {
        let folder = folder.join(run);
        std::fs::create_dir_all(&folder)?;
        let new = |name: &str| {
            let path = folder.join(name);
            OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)
        };
        let (path, file, events) = (folder.join(SCRIPT), new(SCRIPT)?, new(EVENTS)?);
        Ok(Log {
            path,
            file: Some(file),
            engine: None,
            events,
            zone,
            lang,
            sections: vec![("run".into(), Vec::new())],
            complained: false,
        })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(
        &mut self,
        stamped: &Stamped,
        level: LogLevel,
        step: Option<usize>,
        text: &str,
    ) -> std::io::Result<()> {
        let level = match level {
            LogLevel::Info => "INFO",
            LogLevel::Alert => "ALERT",
            LogLevel::Error => "ERROR",
        };
        let moment = stamped.at.to_zoned(self.zone.clone());
        let section = step.map_or(0, |s| s + 1);
        let name = self.sections.get(section).map_or("run", |s| s.0.as_str()).to_owned();
        // One event, one line: a text with line ends can't forge another.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!(
            "{} {level:<5} {} {name} {text}\n",
            moment.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"),
            stamped.run
        );
        if let Some((_, lines)) = self.sections.get_mut(section) {
            lines.push(line.clone());
        }
        match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }

    /// A line of an engine, as it said it.
    fn write_engine(&mut self, stamped: &Stamped, step: usize, line: &str) -> std::io::Result<()> {
        let path = engine_log(&self.path);
        let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let file = match &mut self.engine {
            Some(file) => file,
            none => none.insert(open()?),
        };
        let moment =
            stamped.at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        let name = self.sections.get(step + 1).map_or("run", |s| s.0.as_str());
        let text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        file.write_all(format!("{moment} {name} {text}\n").as_bytes())
    }

    /// Says once that the log can't be written.
    fn complain(&mut self, written: std::io::Result<()>) -> Vec<(LogLevel, String)> {
        match written {
            Err(error) if !self.complained => {
                self.complained = true;
                vec![(
                    LogLevel::Alert,
                    format!("unable to write the log {}: {error}", self.path.display()),
                )]
            }
            Ok(()) | Err(_) => Vec::new(),
        }
    }

    fn regroup(&mut self) -> std::io::Result<()> {
        self.file = None;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::Builder::new().prefix(".vex-log-").tempfile_in(folder)?;
        for (address, lines) in self.sections.iter().filter(|(_, lines)| !lines.is_empty()) {
            new.write_all(format!("== {address} ==\n{}\n", lines.concat()).as_bytes())?;
        }
        new.as_file().sync_all()?;
        new.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}

impl Listener for Log {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        if !matches!(stamped.event, Event::Progress { .. } | Event::Engine { .. }) {
            let mut line = serde_json::to_vec(stamped).expect("BUG: an event that is not JSON");
            line.push(b'\n');
            let written = self.events.write_all(&line);
            if written.is_err() {
                return self.complain(written);
            }
        }
        match &stamped.event {
            Event::Engine { step, line } => {
                let written = self.write_engine(stamped, *step, line);
                return self.complain(written);
            }
            Event::RunStarted { run } => {
                self.sections.extend(run.steps.iter().map(|s| (s.address.clone(), Vec::new())));
            }
            _ => {}
        }
        let Some((level, step, text)) = line_of(&stamped.event, self.lang) else {
            return Vec::new();
        };
        let mut written = self.write(stamped, level, step, &text);
        if matches!(stamped.event, Event::RunFinished { .. }) {
            written = written.and_then(|()| self.regroup());
        }
        self.complain(written)
    }
}
