//! A child process: words, never a shell; a group of its own; both pipes drained; killed on a stop
//! or a stall.
//!
//! Does not know what the program does. Invariants: a non-zero end is an error; no child outlives
//! the call, and none outlives a vex that was killed; a child sees a short list of harmless
//! variables and what was declared for it; the secrets among these are not heard from it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, after, bounded, select};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::base::{Secret, Stop};

/// Variables a child inherits; all others stay with vex.
const INHERITED: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM"];

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// Longest line kept of what a child prints.
const LINE: u64 = 16 * 1024;

/// Why a child did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("unable to start {0}")]
    Start(String, #[source] std::io::Error),
    /// It ended with another code than 0.
    #[error("unable to finish {program}: it {ended}{}", show_tail(.tail))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        ended: String,
        /// The last lines of its standard error.
        tail: Vec<String>,
    },
    /// It printed nothing for too long and was killed.
    #[error("unable to finish {0}: it printed nothing for {1:?} and was killed")]
    Stalled(String, Duration),
    /// It printed more than was asked for.
    #[error("unable to read {0}: it printed more than {1} bytes")]
    Long(String, usize),
    /// The run was stopped.
    #[error("stopped while {0} was running")]
    Stopped(String),
}

fn show_tail(tail: &[String]) -> String {
    if tail.is_empty() { String::new() } else { format!(": {}", tail.join(" / ")) }
}

/// A program to run.
pub struct Child<'a> {
    words: &'a [String],
    env: Vec<(String, Secret)>,
    /// What is shown as `***` where the child prints it.
    hidden: Vec<Secret>,
    stall: Option<Duration>,
    /// User and group it runs as, if not ours.
    user: Option<(u32, u32)>,
    /// What asks it to end.
    ending: Signal,
}

enum Said {
    Out(String),
    Err(String),
    Bytes(Vec<u8>),
}

impl<'a> Child<'a> {
    /// A program and its arguments.
    pub fn new(words: &'a [String]) -> Child<'a> {
        Child {
            words,
            env: Vec::new(),
            hidden: Vec::new(),
            stall: None,
            user: None,
            ending: Signal::TERM,
        }
    }

    /// Adds a variable.
    pub fn env(mut self, name: &str, value: &str) -> Child<'a> {
        self.env.push((name.to_owned(), Secret::new(value.to_owned())));
        self
    }

    /// Adds a variable that is a secret: it is masked in every line of output.
    pub fn secret(mut self, name: &str, value: Secret) -> Child<'a> {
        self.hidden.push(value.clone());
        self.env.push((name.to_owned(), value));
        self
    }

    /// Runs it as another user and group, and none of our other groups, in the root folder.
    pub fn user(mut self, user: u32, group: u32) -> Child<'a> {
        self.user = Some((user, group));
        self
    }

    /// Asks it to end by this signal, which the program takes for a request, instead of SIGTERM.
    pub fn ended_by(mut self, signal: Signal) -> Child<'a> {
        self.ending = signal;
        self
    }

    /// Kills it when it prints nothing for this long.
    pub fn stall(mut self, time: Duration) -> Child<'a> {
        self.stall = Some(time);
        self
    }

    /// Runs it and hands every line of both pipes to `line`.
    pub fn run(self, stop: &Stop, line: &mut dyn FnMut(&str)) -> Result<(), ChildError> {
        self.drive(false, stop, &mut |said| match said {
            Said::Out(text) | Said::Err(text) => line(&text),
            Said::Bytes(_) => {}
        })
    }

    /// Runs it and returns what it printed, `limit` bytes at most.
    pub fn output(self, limit: usize, stop: &Stop) -> Result<Vec<u8>, ChildError> {
        let program = self.program();
        let mut output = Vec::new();
        self.drive(true, stop, &mut |said| {
            if let Said::Bytes(bytes) = said
                && output.len() <= limit
            {
                output.extend_from_slice(&bytes);
            }
        })?;
        if output.len() > limit { Err(ChildError::Long(program, limit)) } else { Ok(output) }
    }

    /// Masks a secret, which the child knows from elsewhere, in its output.
    pub fn hide(mut self, secret: &Secret) -> Child<'a> {
        self.hidden.push(secret.clone());
        self
    }

    /// Runs it, hands what it prints to `bytes` as it comes, and every line of its standard error
    /// to `line`. Where `bytes` fails, the child is killed and that error is the outcome; `stop` of
    /// the call is for everything else.
    pub fn stream<E: From<ChildError>>(
        self,
        stop: &Stop,
        bytes: &mut dyn FnMut(&[u8]) -> Result<(), E>,
        line: &mut dyn FnMut(&str),
    ) -> Result<(), E> {
        let inner = stop.child();
        let mut failed = None;
        let ended = self.drive(true, &inner, &mut |said| match said {
            Said::Err(text) => line(&text),
            Said::Bytes(part) if failed.is_none() => {
                if let Err(error) = bytes(&part) {
                    failed = Some(error);
                    inner.stop();
                }
            }
            Said::Out(_) | Said::Bytes(_) => {}
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(ended?),
        }
    }

    fn program(&self) -> String {
        self.words.first().cloned().unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(self.words.iter().skip(1)).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.env.iter().map(|(name, value)| (name, value.reveal())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group).current_dir("/");
        }
        // Safety: prctl is async-signal-safe and touches only the child.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                    .map_err(Into::into)
            });
        }
        command
    }

    /// Hands on what the child prints until both pipes are closed; an error where it has to be
    /// killed first.
    fn follow(
        &self,
        hearing: &Receiver<Said>,
        stop: &Stop,
        hear: &mut dyn FnMut(Said),
    ) -> Result<(), ChildError> {
        let mut since = Instant::now();
        loop {
            let limit =
                self.stall.map_or(Duration::from_secs(3600), |s| s.saturating_sub(since.elapsed()));
            let timer = after(limit);
            select! {
                recv(hearing) -> message => match message {
                    Ok(message) => {
                        since = Instant::now();
                        hear(message);
                    }
                    Err(_) => return Ok(()),
                },
                recv(stop.closed()) -> _ => return Err(ChildError::Stopped(self.program())),
                recv(timer) -> _ => {
                    if let Some(stall) = self.stall.filter(|s| since.elapsed() >= *s) {
                        return Err(ChildError::Stalled(self.program(), stall));
                    }
                }
            }
        }
    }

    fn drive(self, raw: bool, stop: &Stop, hear: &mut dyn FnMut(Said)) -> Result<(), ChildError> {
        let program = self.program();
        let mut child =
            self.command().spawn().map_err(|e| ChildError::Start(program.clone(), e))?;
        let group = Pid::from_raw(child.id() as i32).expect("BUG: a child without a PID");
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (said, hearing) = bounded::<Said>(64);
        let mut tail: Vec<String> = Vec::new();
        let mut outcome: Result<(), ChildError> = Ok(());
        std::thread::scope(|scope| {
            let to_out = said.clone();
            let hidden = &self.hidden;
            scope.spawn(move || {
                if raw {
                    pass_bytes(out, to_out)
                } else {
                    pass_lines(out, hidden, to_out, Said::Out)
                }
            });
            scope.spawn(move || pass_lines(err, hidden, said, Said::Err));
            outcome = self.follow(&hearing, stop, &mut |message| {
                if let Said::Err(text) = &message {
                    if tail.len() == 5 {
                        tail.remove(0);
                    }
                    tail.push(text.clone());
                }
                hear(message);
            });
            if outcome.is_err() {
                kill(group, self.ending, &hearing);
            }
            // Whatever is still held back must not block the readers.
            for message in hearing.iter() {
                hear(message);
            }
        });
        let status = child.wait().map_err(|e| ChildError::Start(program.clone(), e))?;
        outcome?;
        if status.success() {
            return Ok(());
        }
        let ended = match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
        };
        Err(ChildError::Failed { program, ended, tail })
    }
}

/// The signal to the group, SIGKILL after the grace; both pipes are closed by then.
fn kill(group: Pid, ending: Signal, hearing: &Receiver<Said>) {
    if kill_process_group(group, ending).is_err() {
        return; // the group is gone already
    }
    let end = Instant::now() + GRACE;
    loop {
        match hearing.recv_deadline(end) {
            Ok(_) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
            // Killed or gone already: both are what is wanted.
            Err(RecvTimeoutError::Timeout) => {
                break kill_process_group(group, Signal::KILL).unwrap_or(());
            }
        }
    }
}

fn pass_lines(
    pipe: impl Read,
    hidden: &[Secret],
    to: crossbeam_channel::Sender<Said>,
    wrap: fn(String) -> Said,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let mut text = String::from_utf8_lossy(&line).trim_end().to_owned();
                for part in
                    hidden.iter().flat_map(|s| s.reveal().lines()).filter(|part| !part.is_empty())
                {
                    text = text.replace(part, "***");
                }
                if to.send(wrap(text)).is_err() {
                    return;
                }
            }
        }
    }
}

fn pass_bytes(mut pipe: impl Read, to: crossbeam_channel::Sender<Said>) {
    let mut bytes = vec![0; 65_536];
    while let Ok(n) = pipe.read(&mut bytes) {
        if n == 0 || to.send(Said::Bytes(bytes[..n].to_vec())).is_err() {
            return;
        }
    }
}

/// Makes the process private: files for the owner only, no core dump that could hold a secret.
pub fn harden() -> std::io::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    Ok(rustix::process::setrlimit(rustix::process::Resource::Core, none)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_child_sees_only_what_was_declared_and_its_lines_are_heard() {
        let words = words(&["sh", "-c", "echo out $MINE $CARGO_PKG_NAME; echo err >&2"]);
        let mut lines = Vec::new();
        let child = Child::new(&words).env("MINE", "yes");
        child.run(&Stop::new(), &mut |l| lines.push(l.to_owned())).expect("success");
        lines.sort();
        assert_eq!(lines, ["err", "out yes"]);
    }

    #[test]
    fn a_stream_is_heard_as_it_comes_and_whoever_hears_may_end_it() {
        let words = words(&["sh", "-c", "echo CANARY-X >&2; printf 'a\\0b'; exit 4"]);
        let (mut all, mut lines) = (Vec::new(), Vec::new());
        let child = Child::new(&words).hide(&Secret::new("CANARY-X".into()));
        let mut take = |part: &[u8]| {
            all.extend_from_slice(part);
            Ok::<(), ChildError>(())
        };
        let ended = child.stream(&Stop::new(), &mut take, &mut |l| lines.push(l.to_owned()));
        assert!(
            matches!(ended, Err(ChildError::Failed { .. })),
            "a whole stream of a failed child is no success"
        );
        assert_eq!((all, lines), (b"a\0b".to_vec(), vec!["***".to_owned()]));
        let endless = self::words(&["yes"]);
        let full = |_: &[u8]| Err(ChildError::Long("yes".into(), 7));
        let ended = Child::new(&endless).stream(&Stop::new(), &mut { full }, &mut |_| ());
        assert!(matches!(ended, Err(ChildError::Long(_, 7))));
    }

    #[test]
    fn failure_stall_and_stop_are_errors() {
        let failing = words(&["sh", "-c", "echo why >&2; exit 3"]);
        let error = Child::new(&failing).run(&Stop::new(), &mut |_| ()).expect_err("a failure");
        assert_eq!(error.to_string(), "unable to finish sh: it ended with code 3: why");
        let silent = words(&["sleep", "60"]);
        let stalled =
            Child::new(&silent).stall(Duration::from_millis(50)).run(&Stop::new(), &mut |_| ());
        assert!(matches!(stalled, Err(ChildError::Stalled(..))));
        let stop = Stop::new();
        stop.stop();
        assert!(matches!(Child::new(&silent).run(&stop, &mut |_| ()), Err(ChildError::Stopped(_))));
    }
}
