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
use crate::view::age;

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
            text = text.replacen(verdict.word(), &paint(verdict, verdict.word()), 1);
        }
        self.print(&format!("{} {text}", moment.strftime("%Y-%m-%dT%H:%M:%S%:z")));
    }

    fn print(&self, line: &str) {
        match &self.bars {
            // Not `suspend`, which panics where the terminal has gone.
            Some(bars) => drop(bars.println(line)),
            None => print_line(line),
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
            let text = format!("{} ({})", verdict.word(), verdict.code());
            self.judged(stamped, &text, Some(verdict));
        }
    }

    /// A remark; what is only for the log where more is wanted.
    fn said(&self, stamped: &Stamped, step: Option<usize>, level: LogLevel, text: &str) {
        if level > LogLevel::Info || self.look.verbose {
            let running = step.and_then(|step| self.running.get(&step));
            let address = running.map_or("run", |running| running.address.as_str());
            self.line(stamped, &format!("{address} {text}"));
        }
    }

    /// How a restore drill ended.
    fn drilled(&self, stamped: &Stamped, drill: &DrillFacts) {
        if !self.look.quiet || drill.verdict > Verdict::Success {
            self.line(stamped, &format!("  {}", drill.line()));
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
        match end {
            StepEnd::Done { verdict, .. } => {
                let counts = if moved.raw > 0 {
                    let whole = Progress { estimate: 0, ..moved };
                    format!(" ({})", rate(whole, seconds))
                } else {
                    String::new()
                };
                format!("{address} {} in {seconds:.1} s{counts}", verdict.word())
            }
            StepEnd::Failed { verdict, failure } => {
                let hint = failure.hint.as_ref().map_or(String::new(), |h| format!(". {h}"));
                format!("{address} {}: {}{hint}", verdict.word(), failure.line())
            }
            StepEnd::Skipped { missing } => {
                format!("{address} did not run: {missing} did not give what it needs")
            }
            StepEnd::Interrupted => format!("{address} interrupted"),
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
            bar.set_message(rate(progress, running.since.elapsed().as_secs_f64()));
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
fn rate(progress: Progress, seconds: f64) -> String {
    let mut text = Size(progress.raw).to_string();
    let per_second = if seconds > 0.2 { progress.raw as f64 / seconds } else { 0.0 };
    if progress.estimate > progress.raw {
        text += &format!(" of about {}", Size(progress.estimate));
    }
    if per_second > 0.0 {
        text += &format!(", {}/s", Size(per_second as u64));
    }
    if progress.rows > 0 {
        text += &format!(", {} rows", progress.rows);
    }
    if per_second > 0.0 && progress.estimate > progress.raw {
        let left = (progress.estimate - progress.raw) as f64 / per_second;
        text += &format!(", about {} left", age(left as i64));
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
                self.line(stamped, &format!("{} run {}", run.job, run.id));
            }
            Event::StepStarted { step, address } => {
                self.started(*step, address);
                if !self.look.quiet && self.bars.is_none() {
                    self.line(stamped, &format!("{address} begins"));
                }
            }
            Event::Progress { step, progress } => self.progress(*step, *progress),
            Event::Said { step, level, text } => self.said(stamped, *step, *level, text),
            Event::Engine { step, line } => self.said(stamped, Some(*step), LogLevel::Info, line),
            Event::StoreSeen { step, store, place, id } => {
                let text = format!("{store} is {place}, store {id}");
                self.said(stamped, Some(*step), LogLevel::Info, &text);
            }
            Event::Dumping { .. }
            | Event::Restoring { .. }
            | Event::Restored { .. }
            | Event::Artifact { .. } => {}
            Event::Copied { copy: CopyFacts { place, key, bytes, failure, .. }, .. } => {
                match failure {
                    None if self.look.quiet => {}
                    None => self.line(stamped, &format!("  {} {key} in {place}", Size(*bytes))),
                    Some(failure) => {
                        self.line(stamped, &format!("  no copy in {place}: {}", failure.line()))
                    }
                }
            }
            Event::Proved { proof: ProofFacts { store, level, good, .. }, .. } => {
                if *good && !self.look.quiet {
                    self.line(stamped, &format!("  proven in {store}: {}", level.word()));
                }
            }
            Event::Drilled { drill, .. } => self.drilled(stamped, drill),
            Event::Pruned { store, key, why, .. } => {
                if !self.look.quiet {
                    self.line(stamped, &format!("  removed {key} from {store}: {why}"));
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
