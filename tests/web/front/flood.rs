//! Many connections that never say what they want: the pages go on answering, with threads that
//! are bounded. The pages run in a process of their own, so that its descriptors are its own.
//!
//! CI runs a tenth and less; `tests/torture.sh web` sets `VEX_WEB=1` for the whole and prints
//! figures.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vex::testing::base::Stop;
use vex::testing::web::{Config, Request, Response, serve};

use crate::web::front::served::{HANGS, connect, get, status};

/// Where the child leaves its address and its complaints.
const CHILD: &str = "VEX_WEB_CHILD";

/// A request that never ends.
const HALF: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n";

/// Pages in a process of their own; it ends with this.
struct Apart {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Apart {
    fn new(test: &str) -> Apart {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        // The name of the binary stands before the first colons.
        let module = module_path!().split_once("::").unwrap().1;
        let name = format!("{module}::{test}");
        child.args([&name, "--exact", "--nocapture"]).env(CHILD, folder.path());
        child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().unwrap();
        let begun = Instant::now();
        let address = loop {
            if let Ok(address) = fs::read_to_string(folder.path().join("address")) {
                break address.parse().unwrap();
            }
            assert!(begun.elapsed() < HANGS, "the child does not listen");
            std::thread::sleep(Duration::from_millis(5));
        };
        Apart { child, folder, address }
    }

    /// A number of the child's status.
    fn status(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
    }

    /// The status of a GET; 0 where nothing came back.
    fn ask(&self) -> u16 {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return 0 };
        stream.set_read_timeout(Some(HANGS)).unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(get("/").as_bytes());
        match asked.and_then(|()| stream.read_to_string(&mut answer)) {
            Ok(_) => status(&answer),
            Err(_) => 0,
        }
    }

    fn complaints(&self) -> String {
        fs::read_to_string(self.folder.path().join("complaints")).unwrap_or_default()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It stops where its input ends.
        drop(self.child.stdin.take());
        let ended = self.child.wait().unwrap();
        assert!(ended.success() || std::thread::panicking(), "the child failed");
    }
}

/// In the child: serves until the input ends.
fn served(folder: &Path, connections: Option<usize>) {
    // Opened before descriptors run out: a complaint that needed one would end the watch.
    let complaints = fs::File::create_new(folder.join("complaints")).unwrap();
    let complain = move |line: &str| writeln!(&complaints, "{line}").unwrap();
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), Arc::new(complain));
    config.connections = connections;
    let stop = Stop::new();
    let wish = stop.clone();
    std::thread::spawn(move || {
        drop(std::io::stdin().read(&mut [0]));
        wish.stop();
    });
    let ready = |address: SocketAddr| {
        fs::write(folder.join("new"), address.to_string()).unwrap();
        fs::rename(folder.join("new"), folder.join("address")).unwrap();
    };
    let page = |_: &Request| Response::html("<p>here</p>".repeat(1000));
    serve(config, Arc::new(page), ready, &stop).unwrap();
}

fn child() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

fn is_whole() -> bool {
    std::env::var_os("VEX_WEB").is_some()
}

/// Says a figure; `tests/torture.sh` collects them.
pub fn figure(line: &str) {
    std::io::stdout().write_all(format!("\nfigure {line}\n").as_bytes()).unwrap();
}

/// Asks many times: how many were lost, the median and the worst.
fn asked(apart: &Apart, times: usize) -> (usize, Duration, Duration) {
    let (mut lost, mut took) = (0, Vec::new());
    for _ in 0..times {
        let begun = Instant::now();
        lost += usize::from(apart.ask() != 200);
        took.push(begun.elapsed());
        if is_whole() {
            // One page after the other, over the seconds in which the others drip.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    took.sort();
    (lost, took[times / 2], took[times - 1])
}

/// Sends one byte a second on each connection, and opens those anew that were closed.
fn drip(apart: &Apart, all: &mut [TcpStream], done: &AtomicBool) {
    let pause = Duration::from_secs(1) / u32::try_from(all.len()).unwrap();
    while !done.load(Ordering::Relaxed) {
        for stream in &mut *all {
            if stream.write_all(b"X").is_err() && is_whole() {
                *stream = connect(apart.address);
                drop(stream.write_all(HALF));
            }
            std::thread::sleep(pause);
        }
    }
}

/// What the pages say while so many connections are half open.
fn flood(apart: &Apart, what: &str, count: usize, drips: bool) {
    let mut all: Vec<TcpStream> = (0..count).map(|_| connect(apart.address)).collect();
    for stream in &mut all {
        // It may be closed already, in favour of the next.
        drop(stream.write_all(HALF));
    }
    let done = AtomicBool::new(false);
    let times = if is_whole() { 60 } else { 20 };
    let (lost, median, worst) = scope(|threads| {
        if drips {
            threads.spawn(|| drip(apart, &mut all, &done));
        }
        let found = asked(apart, times);
        done.store(true, Ordering::Relaxed);
        found
    });
    let (threads, memory) = (apart.status("Threads"), apart.status("VmRSS"));
    if is_whole() {
        figure(&format!(
            "{what}: {lost} of {times} lost, median {:.1} ms, worst {:.1} ms, {threads} threads, \
             {:.1} MiB",
            median.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3,
            memory as f64 / 1024.0
        ));
        assert!(lost * 20 <= times, "{what}: {lost} of {times} are lost");
        assert!(threads <= 256 + 32, "{what}: {threads} threads");
    } else {
        assert_eq!(lost, 0, "{what}: of {times}");
        assert!(threads <= 16 + 16, "{what}: {threads} threads");
    }
}

#[test]
fn connections_that_do_not_ask_keep_nobody_waiting() {
    if let Some(folder) = child() {
        return served(&folder, (!is_whole()).then_some(16));
    }
    let apart = Apart::new("connections_that_do_not_ask_keep_nobody_waiting");
    assert_eq!(apart.ask(), 200);
    if is_whole() {
        flood(&apart, "idle", 0, false);
        flood(&apart, "1 000 half open", 1000, false);
        flood(&apart, "1 000 with a byte a second", 1000, true);
        flood(&apart, "5 000 half open", 5000, false);
        flood(&apart, "5 000 with a byte a second", 5000, true);
    } else {
        flood(&apart, "half open", 100, false);
        flood(&apart, "with a byte now and then", 100, true);
    }
}

#[test]
fn a_server_without_descriptors_comes_back_by_itself() {
    if let Some(folder) = child() {
        let few = Rlimit { current: Some(40), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, few).unwrap();
        return served(&folder, Some(1000));
    }
    let apart = Apart::new("a_server_without_descriptors_comes_back_by_itself");
    let begun = Instant::now();
    // Descriptors run out at another place each time, until the server behind the front has died.
    while !apart.complaints().contains("has died and was made anew") {
        let mut all = Vec::new();
        for _ in 0..50 {
            all.push(connect(apart.address));
            drop(all.last_mut().unwrap().write_all(HALF));
            if apart.complaints().is_empty() {
                apart.ask();
            }
        }
        assert!(begun.elapsed() < HANGS * 4, "the server behind the front has not died");
    }
    while apart.ask() != 200 {
        assert!(begun.elapsed() < HANGS * 8, "the server has not come back");
    }
    assert_eq!((0..20).map(|_| apart.ask()).collect::<Vec<_>>(), [200; 20]);
}
