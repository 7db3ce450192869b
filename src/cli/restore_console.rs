//! A run that a person asked for, as he sees it: what is done on standard output, what somebody must look at on
//! standard error, and a bar on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::Size;
use crate::lang::Lang;
use crate::record::{Event, LogLevel, Progress, Stamped, StepEnd};
use crate::run::Listener;
use crate::view::failed;
use crate::world::draws;

use crate::cli::wiring::{complain, tell};

/// Shows a restore, a retention.
pub struct RestoreConsole {
    terminal: bool,
    lang: Lang,
    bar: Option<ProgressBar>,
    since: Instant,
    /// When progress was last said as a line.
    said: Instant,
    last: Progress,
}

/// Without a terminal, progress is a line so often; a work that takes as long ends with its sums.
const LINE: Duration = Duration::from_secs(30);

impl RestoreConsole {
    /// With a bar on a terminal.
    pub fn new(lang: Lang) -> RestoreConsole {
        let terminal = draws(std::io::stderr().is_terminal());
        let now = Instant::now();
        RestoreConsole {
            terminal,
            lang,
            bar: None,
            since: now,
            said: now,
            last: Progress::default(),
        }
    }

    fn progress(&mut self, progress: Progress) {
        if progress.raw < self.last.raw {
            // Another reading of the same backup begins.
            self.since = Instant::now();
        }
        self.last = progress;
        if progress.estimate == 0 {
            return;
        }
        if !self.terminal {
            if self.said.elapsed() >= LINE {
                self.said = Instant::now();
                let pace = progress.raw as f64 / self.since.elapsed().as_secs_f64().max(0.001);
                let [raw, all, pace] =
                    [progress.raw, progress.estimate, pace as u64].map(|n| Size(n).to_string());
                let parts = [("raw", &*raw), ("all", &*all), ("pace", &*pace)];
                self.line(LogLevel::Info, &self.lang.say("console-progress", &parts));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let left = self.lang.say("console-bar-left", &[("eta", "{eta}")]);
            let form = format!("{{bar:30}} {{percent}}% {{msg}} {{bytes_per_sec}}, {left}");
            let style = ProgressStyle::with_template(&form);
            let bar = ProgressBar::new(progress.estimate);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        bar.set_length(progress.estimate);
        bar.set_position(progress.raw.min(progress.estimate));
        let [raw, all] = [progress.raw, progress.estimate].map(|n| Size(n).to_string());
        bar.set_message(self.lang.say("console-bar-of", &[("raw", &raw), ("all", &all)]));
    }

    /// Says a line, above the bar where there is one.
    fn line(&self, level: LogLevel, text: &str) {
        let text: String =
            text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        let say = || if level > LogLevel::Info { complain(&text) } else { tell(&text) };
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// Takes the bar away and says what moved, on a terminal.
    fn moved(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let (moved, seconds) = (std::mem::take(&mut self.last), self.since.elapsed().as_secs_f64());
        if (self.terminal || self.since.elapsed() >= LINE) && moved.raw > 0 {
            let pace = (moved.raw as f64 / seconds.max(0.001)) as u64;
            let [raw, pace] = [moved.raw, pace].map(|n| Size(n).to_string());
            let seconds = format!("{seconds:.1}");
            let parts = [("raw", &*raw), ("seconds", &*seconds), ("pace", &*pace)];
            self.line(LogLevel::Info, &self.lang.say("console-moved", &parts));
        }
    }

    fn finished(&mut self, end: &StepEnd) {
        self.moved();
        match end {
            StepEnd::Failed { failure, .. } => {
                let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!(" {hint}"));
                self.line(LogLevel::Error, &format!("{}.{hint}", failed(failure, self.lang)));
            }
            StepEnd::Interrupted => {
                self.line(LogLevel::Error, &self.lang.say("console-stopped", &[]));
            }
            StepEnd::Done { .. } | StepEnd::Skipped { .. } => {}
        }
    }
}

impl Listener for RestoreConsole {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        match &stamped.event {
            Event::Said { level, text, .. } => self.line(*level, text),
            Event::Progress { progress, .. } => self.progress(*progress),
            Event::Restored { .. } => self.moved(),
            Event::Copied { copy, .. } if copy.failure.is_none() => {
                let size = Size(copy.bytes).to_string();
                let parts = [("key", &*copy.key), ("place", &*copy.place), ("size", &*size)];
                self.line(LogLevel::Info, &self.lang.say("console-is-in", &parts));
            }
            Event::Pruned { store, key, why, .. } => {
                let parts = [("key", &**key), ("store", &**store), ("why", &**why)];
                self.line(LogLevel::Info, &self.lang.say("console-removed", &parts));
            }
            Event::StepFinished { end, .. } => self.finished(end),
            _ => {}
        }
        Vec::new()
    }
}
