//! One connection: a child of `ssh`, a thread that writes, one that reads and one that hears what it
//! complains of.
//!
//! Knows packets by their number and nothing of files. Invariants: whoever waits for an answer is
//! woken by it, by a stop, by the end of the connection, or by a server that says nothing for too
//! long; nobody but the threads blocks on a pipe; the child does not outlive the connection.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, after, bounded, select};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::sftp::packet::{Body, LARGEST, tell};

/// Variables that `ssh` is given; all others stay with vex.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "SSH_AUTH_SOCK", "TMPDIR"];

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long the threads of a connection that ended are waited for.
const AFTER: Duration = Duration::from_secs(3);

/// Packets that wait to be written.
const DEPTH: usize = 8;

/// Most that is kept of what `ssh` complains of, in bytes.
const COMPLAINTS: u64 = 4096;

/// An answer: its type, and what follows its number.
pub type Answer = (u8, Vec<u8>);

/// What a thread does.
type Work = Box<dyn FnOnce() + Send>;

/// Guards who waits for which answer; `None` once the connection has ended.
type Waiting = Arc<Mutex<Option<HashMap<u32, Sender<Answer>>>>>;

/// A connection.
pub struct Pump {
    child: Mutex<Child>,
    to_write: Option<Sender<Vec<u8>>>,
    waiting: Waiting,
    /// Guards the end of what `ssh` said on its standard error.
    said: Arc<Mutex<String>>,
    next: AtomicU32,
    threads: Vec<JoinHandle<()>>,
    /// Closed once every thread has ended.
    running: Receiver<()>,
}

/// An answer that is to come.
pub struct Coming {
    answer: Receiver<Answer>,
}

impl Pump {
    /// Starts `ssh` with these words.
    pub fn start(words: &[String], doing: &str) -> Result<Pump> {
        let failed = |e: std::io::Error| {
            let found = format!("unable to start {}: {e}", words[0]);
            Error { source: Some(Box::new(e)), ..Error::new(ErrorKind::Failed, doing, found) }
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // A signal of the terminal is for vex, which ends it.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            panic!("BUG: a child without its pipes");
        };
        let (to_write, written) = bounded(DEPTH);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let said = Arc::new(Mutex::new(String::new()));
        let (own_waiting, own_said) = (waiting.clone(), said.clone());
        let (alive, running) = bounded::<()>(0);
        let work: [(&str, Work); 3] = [
            ("sftp write", Box::new(move || write_all(stdin, &written))),
            ("sftp read", Box::new(move || read_all(stdout, &own_waiting))),
            ("sftp complaints", Box::new(move || hear(stderr, &own_said))),
        ];
        let spawned = work.into_iter().map(|(name, work)| spawn(name, alive.clone(), work));
        let threads = spawned.collect::<std::io::Result<_>>().map_err(failed);
        let threads = threads.inspect_err(|_| end(&mut child))?;
        Ok(Pump {
            child: Mutex::new(child),
            to_write: Some(to_write),
            waiting,
            said,
            next: AtomicU32::new(1),
            threads,
            running,
        })
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.waiting.lock().expect("no panic while locked").is_none()
    }

    /// Sends a request; its answer comes later.
    pub fn send(&self, kind: u8, body: Body, doing: &str, stop: &Stop) -> Result<Coming> {
        stop.check()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (to, answer) = bounded(1);
        match self.waiting.lock().expect("no panic while locked").as_mut() {
            Some(waiting) => drop(waiting.insert(number, to)),
            None => return Err(self.ended(doing)),
        }
        let mut packet = Vec::with_capacity(body.0.len() + 9);
        packet.extend_from_slice(&(body.0.len() as u32 + 5).to_be_bytes());
        packet.push(kind);
        packet.extend_from_slice(&number.to_be_bytes());
        packet.extend_from_slice(&body.0);
        self.write(packet, doing, stop)?;
        Ok(Coming { answer })
    }

    /// Sends the first packet, which has no number; its answer has that of the version.
    pub fn begin(&self, kind: u8, body: Body, doing: &str, stop: &Stop) -> Result<Coming> {
        let (to, answer) = bounded(1);
        if let Some(waiting) = self.waiting.lock().expect("no panic while locked").as_mut() {
            waiting.insert(VERSION_NUMBER, to);
        }
        let mut packet = (body.0.len() as u32 + 1).to_be_bytes().to_vec();
        packet.push(kind);
        packet.extend_from_slice(&body.0);
        self.write(packet, doing, stop)?;
        Ok(Coming { answer })
    }

    fn write(&self, packet: Vec<u8>, doing: &str, stop: &Stop) -> Result<()> {
        let to = self.to_write.as_ref().expect("BUG: a connection that was dropped");
        select! {
            send(to, packet) -> sent => sent.map_err(|_| self.ended(doing)),
            recv(stop.closed()) -> _ => Err(stopped(doing)),
            recv(after(PATIENCE)) -> _ => Err(self.silent(doing)),
        }
    }

    /// Waits for an answer.
    pub fn wait(&self, coming: &Coming, doing: &str, stop: &Stop) -> Result<Answer> {
        select! {
            recv(coming.answer) -> answer => answer.map_err(|_| self.ended(doing)),
            recv(stop.closed()) -> _ => Err(stopped(doing)),
            recv(after(PATIENCE)) -> _ => Err(self.silent(doing)),
        }
    }

    fn silent(&self, doing: &str) -> Error {
        let found = format!("the server said nothing for {} s", PATIENCE.as_secs());
        Error::new(ErrorKind::Unreachable, doing, found)
    }

    /// Why it has ended: what `ssh` said last.
    fn ended(&self, doing: &str) -> Error {
        // What it says may come after its end.
        std::thread::sleep(Duration::from_millis(50));
        let said = self.said.lock().expect("no panic while locked");
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let found = match lines.as_slice() {
            [] => "the connection ended".to_owned(),
            lines => format!("ssh ended: {}", lines.join(" / ")),
        };
        Error::new(ErrorKind::Unreachable, doing, found)
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.to_write = None;
        end(self.child.get_mut().expect("no panic while locked"));
        // A child of `ssh` that outlives it may hold a pipe open: its thread is left to itself then,
        // and ends with the pipe.
        if self.running.recv_timeout(AFTER).is_err_and(|e| e == RecvTimeoutError::Disconnected) {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

/// Ends the child, and all that it started in its process group, such as a program of
/// `ProxyCommand`.
fn end(child: &mut Child) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // It may have ended already, which is as good.
        kill_process_group(group, Signal::KILL).unwrap_or_default();
    }
    drop(child.kill());
    let until = Instant::now() + AFTER;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The number under which the answer to the first packet is waited for: no request has it.
const VERSION_NUMBER: u32 = 0;

fn stopped(doing: &str) -> Error {
    Error::new(ErrorKind::Stopped, doing, "stopped")
}

/// Starts a thread that holds `alive` until its end.
fn spawn(name: &str, alive: Sender<()>, work: Work) -> std::io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        work();
        drop(alive);
    })
}

/// Writes packets until nobody sends any more; a pipe that is closed ends the reading too.
fn write_all(mut pipe: ChildStdin, packets: &Receiver<Vec<u8>>) {
    while let Ok(packet) = packets.recv() {
        if pipe.write_all(&packet).is_err() {
            return;
        }
    }
}

/// Hands every answer to whoever waits for it; at the end nobody waits any more.
fn read_all(mut pipe: ChildStdout, waiting: &Waiting) {
    while let Ok(Some((number, answer))) = read_one(&mut pipe) {
        let to =
            waiting.lock().expect("no panic while locked").as_mut().and_then(|w| w.remove(&number));
        if let Some(to) = to {
            // Who was stopped waits no more.
            drop(to.send(answer));
        }
    }
    *waiting.lock().expect("no panic while locked") = None;
}

fn read_one(pipe: &mut ChildStdout) -> std::io::Result<Option<(u32, Answer)>> {
    let mut length = [0; 4];
    pipe.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > LARGEST {
        return Ok(None);
    }
    let mut packet = vec![0; length];
    pipe.read_exact(&mut packet)?;
    let kind = packet[0];
    if kind == tell::VERSION {
        return Ok(Some((VERSION_NUMBER, (kind, packet.split_off(1)))));
    }
    let Some(number) = packet.get(1..5).and_then(|n| n.try_into().ok()) else { return Ok(None) };
    Ok(Some((u32::from_be_bytes(number), (kind, packet.split_off(5)))))
}

/// Keeps what `ssh` complains of.
fn hear(pipe: ChildStderr, said: &Mutex<String>) {
    let mut all = String::new();
    let mut pipe = pipe;
    let mut bytes = [0; 512];
    while let Ok(count) = pipe.read(&mut bytes) {
        if count == 0 {
            return;
        }
        if (all.len() as u64) < COMPLAINTS {
            let text = String::from_utf8_lossy(&bytes[..count]);
            all.extend(text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }));
            said.lock().expect("no panic while locked").clone_from(&all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_though_something_that_ssh_left_behind_holds_its_pipes() {
        // As the master of a shared connection does.
        let words = ["sh", "-c", "setsid sleep 20 & exec sleep 600"].map(str::to_owned);
        let pump = Pump::start(&words, "connect").expect("started");
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        drop(pump);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}
