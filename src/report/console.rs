//! A run on a terminal: one line of progress per running step; elsewhere plain timestamped lines.
//!
//! The only file outside `cli/` that prints. Standard error holds progress and remarks; standard
//! output stays free for `--format json`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use crate::base::Size;
use crate::lang::Lang;
use crate::record::{
    CopyFacts, DrillFacts, Event, LogLevel, Progress, ProofFacts, Stamped, StepEnd, Verdict,
};
use crate::report::closing::closing;
use crate::report::summary::Summary;
use crate::run::Listener;
use crate::view::{age, drilled, failed, level as level_word, word};

/// How a run is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Whether progress can be drawn.
    pub terminal: bool,
    /// Whether colours are wanted.
    pub colours: bool,
    /// Failures only.
    pub quiet: bool,
    /// Also what is only for the log.
    pub verbose: bool,
    /// The language of what is no event.
    pub lang: Lang,
    /// The zone of the moments.
    pub zone: TimeZone,
}

/// Shows a run.
pub struct Console {
    bars: Option<MultiProgress>,
    running: BTreeMap<usize, Running>,
    look: Look,
    /// What the table at the end is made of.
    summary: Summary,
}

struct Running {
    address: String,
    since: Instant,
    bar: Option<ProgressBar>,
    last: Progress,
}

impl Console {
    /// With progress bars on a terminal.
    pub fn new(look: Look) -> Console {
        Console {
            bars: (look.terminal && !look.quiet).then(MultiProgress::new),
            running: BTreeMap::new(),
            look,
            summary: Summary::default(),
        }
    }

    fn line(&self, stamped: &Stamped, text: &str) {
        self.judged(stamped, text, None);
    }

    /// A line in which the word of a verdict has its colour.
    fn judged(&self, stamped: &Stamped, text: &str, verdict: Option<Verdict>) {
        let moment = stamped.at.to_zoned(self.look.zone.clone());
        let mut text = harmless(text);
        if let Some(verdict) = verdict.filter(|_| self.look.colours) {
            let word = word(verdict, self.look.lang);
            text = text.replacen(&*word, &paint(verdict, &word), 1);
        }
        self.print(&format!("{} {text}", moment.strftime("%Y-%m-%dT%H:%M:%S%:z")));
    }

    fn print(&self, line: &str) {
        match &self.bars {
            // Not `suspend`, which panics where the terminal has gone.
            Some(bars) if !bars.is_hidden() => drop(bars.println(line)),
            Some(_) | None => print_line(line),
        }
    }

    /// The end of a run: the table of its backups, and its verdict.
    fn ended(&self, stamped: &Stamped, verdict: Verdict) {
        if !self.look.quiet {
            closing(&self.summary, self.look.lang)
                .iter()
                .for_each(|row| self.print(&harmless(row)));
        }
        if !self.look.quiet || verdict > Verdict::Success {
            let (word, code) = (word(verdict, self.look.lang), verdict.code().to_string());
            let text = self.look.lang.say("console-ended", &[("word", &word), ("code", &code)]);
            self.judged(stamped, &text, Some(verdict));
        }
    }

    /// A remark; what is only for the log where more is wanted.
    fn said(&self, stamped: &Stamped, step: Option<usize>, level: LogLevel, text: &str) {
        if level > LogLevel::Info || self.look.verbose {
            let running = step.and_then(|step| self.running.get(&step));
            let run = self.look.lang.say("console-of-run", &[]);
            let address = running.map_or(&*run, |running| running.address.as_str());
            self.line(stamped, &format!("{address} {text}"));
        }
    }

    /// A line about what a step has done, below its own.
    fn below(&self, stamped: &Stamped, key: &str, parts: &[(&str, &str)]) {
        self.line(stamped, &format!("  {}", self.look.lang.say(key, parts)));
    }

    /// How a copy ended.
    fn copied(&self, stamped: &Stamped, copy: &CopyFacts) {
        let CopyFacts { place, key, bytes, failure, .. } = copy;
        match failure {
            None if self.look.quiet => {}
            None => {
                let size = Size(*bytes).to_string();
                let parts = [("size", &*size), ("key", &**key), ("place", &**place)];
                self.below(stamped, "console-copy", &parts);
            }
            Some(failure) => {
                let parts = [("place", &**place), ("why", &*failed(failure, self.look.lang))];
                self.below(stamped, "console-no-copy", &parts);
            }
        }
    }

    /// How a restore drill ended.
    fn drilled(&self, stamped: &Stamped, drill: &DrillFacts) {
        if !self.look.quiet || drill.verdict > Verdict::Success {
            self.line(stamped, &format!("  {}", drilled(drill, self.look.lang)));
        }
    }

    /// Takes the bar of a step away; returns the line of its end.
    fn finished(&mut self, step: usize, address: &str, end: &StepEnd) -> String {
        let running = self.running.remove(&step);
        let seconds = running.as_ref().map_or(0.0, |r| r.since.elapsed().as_secs_f64());
        if let Some(bar) = running.as_ref().and_then(|r| r.bar.as_ref()) {
            bar.finish_and_clear();
        }
        let moved = running.map_or(Progress::default(), |r| r.last);
        let lang = self.look.lang;
        let of = |key: &str, parts: &[(&str, &str)]| {
            let parts: Vec<_> = parts.iter().copied().chain([("address", address)]).collect();
            lang.say(key, &parts)
        };
        match end {
            StepEnd::Done { verdict, .. } => {
                let counts = if moved.raw > 0 {
                    let whole = Progress { estimate: 0, ..moved };
                    format!(" ({})", rate(whole, seconds, self.look.lang))
                } else {
                    String::new()
                };
                let (word, seconds) = (word(*verdict, lang), format!("{seconds:.1}"));
                let parts = [("word", &*word), ("seconds", &*seconds), ("counts", &*counts)];
                of("console-done", &parts)
            }
            StepEnd::Failed { verdict, failure } => {
                let hint = failure.hint.as_ref().map_or(String::new(), |h| format!(". {h}"));
                let why = format!("{}{hint}", failed(failure, lang));
                of("console-failed", &[("word", &*word(*verdict, lang)), ("why", &*why)])
            }
            StepEnd::Skipped { missing } => of("console-skipped", &[("missing", &**missing)]),
            StepEnd::Interrupted => of("console-interrupted", &[]),
        }
    }

    fn started(&mut self, step: usize, address: &str) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(address.to_owned());
            bar
        });
        let running = Running {
            address: address.to_owned(),
            since: Instant::now(),
            bar,
            last: Progress::default(),
        };
        self.running.insert(step, running);
    }

    fn progress(&mut self, step: usize, progress: Progress) {
        let Some(running) = self.running.get_mut(&step) else { return };
        running.last = progress;
        if let Some(bar) = &running.bar {
            bar.set_message(rate(progress, running.since.elapsed().as_secs_f64(), self.look.lang));
            bar.tick();
        }
    }
}

/// What servers and programs say must not move the cursor.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A word in the colour of a verdict: green, yellow, red.
pub fn paint(verdict: Verdict, word: &str) -> String {
    let colour = match verdict {
        Verdict::Success => 32,
        Verdict::Alert => 33,
        Verdict::Error => 31,
    };
    format!("\x1b[{colour}m{word}\x1b[0m")
}

/// Prints a line; one that can't be written (a full disk, a reader that went away) ends no backup.
fn print_line(line: &str) {
    drop(std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

/// `412 MiB of about 1.0 GiB, 96 MiB/s, 1 203 344 rows, about 6 s left`.
fn rate(progress: Progress, seconds: f64, lang: Lang) -> String {
    let mut text = Size(progress.raw).to_string();
    let per_second = if seconds > 0.2 { progress.raw as f64 / seconds } else { 0.0 };
    if progress.estimate > progress.raw {
        let size = Size(progress.estimate).to_string();
        text += &lang.say("console-of-about", &[("size", &size)]);
    }
    if per_second > 0.0 {
        let size = Size(per_second as u64).to_string();
        text += &lang.say("console-speed", &[("size", &size)]);
    }
    if progress.rows > 0 {
        text += &lang.count("console-rows", progress.rows as usize, &[]);
    }
    if per_second > 0.0 && progress.estimate > progress.raw {
        let left = (progress.estimate - progress.raw) as f64 / per_second;
        text += &lang.say("console-left", &[("time", &age(left as i64))]);
    }
    text
}

impl Listener for Console {
    fn hear(&mut self, stamped: &Stamped) -> Vec<(LogLevel, String)> {
        // It has nothing to say itself.
        drop(self.summary.hear(stamped));
        match &stamped.event {
            Event::RunStarted { .. } if self.look.quiet => {}
            Event::RunStarted { run } => {
                let parts = [("job", &*run.job), ("id", run.id.as_str())];
                self.line(stamped, &self.look.lang.say("console-run", &parts));
            }
            Event::StepStarted { step, address } => {
                self.started(*step, address);
                if !self.look.quiet && self.bars.is_none() {
                    self.line(
                        stamped,
                        &self.look.lang.say("console-begins", &[("address", address)]),
                    );
                }
            }
            Event::Progress { step, progress } => self.progress(*step, *progress),
            Event::Said { step, level, text } => self.said(stamped, *step, *level, text),
            Event::Engine { step, line } => self.said(stamped, Some(*step), LogLevel::Info, line),
            Event::StoreSeen { step, store, place, id } => {
                let parts = [("store", &**store), ("place", &**place), ("id", &**id)];
                let text = self.look.lang.say("console-store", &parts);
                self.said(stamped, Some(*step), LogLevel::Info, &text);
            }
            Event::Dumping { .. }
            | Event::Restoring { .. }
            | Event::Restored { .. }
            | Event::Artifact { .. } => {}
            Event::Copied { copy, .. } => self.copied(stamped, copy),
            Event::Proved { proof: ProofFacts { store, level, good, .. }, .. } => {
                if *good && !self.look.quiet {
                    let level = level_word(level.word(), self.look.lang);
                    let parts = [("store", &**store), ("level", &*level)];
                    self.below(stamped, "console-proven", &parts);
                }
            }
            Event::Drilled { drill, .. } => self.drilled(stamped, drill),
            Event::Pruned { store, key, why, .. } => {
                if !self.look.quiet {
                    let parts = [("key", &**key), ("store", &**store), ("why", &**why)];
                    self.below(stamped, "console-removed", &parts);
                }
            }
            Event::StepFinished { step, address, end } => {
                let text = self.finished(*step, address, end);
                if !self.look.quiet || end.verdict() > Verdict::Success {
                    self.judged(stamped, &text, Some(end.verdict()));
                }
            }
            Event::RunFinished { verdict, .. } => self.ended(stamped, *verdict),
        }
        Vec::new()
    }
}
