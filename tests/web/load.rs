//! A catalog of many years and many who look at it: every page answers each of them.
//!
//! CI asks a small one; `tests/torture.sh pages` sets `VEX_PAGES` to the number of backups, asks every
//! catalog, and prints figures.

mod seed;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread::scope;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::common::servers::{Brand, Pg};
use crate::common::space::{Running, Space};
use crate::record::catalog::Home;
use crate::web::front::flood::figure;
use crate::web::front::served::{HANGS, status};

/// Who looks at it at once.
const SESSIONS: usize = 100;

/// Kinds of pages that are asked.
const PAGES: [&str; 10] = [
    "/",
    "/backups",
    "/backups q=1",
    "/backups q=3",
    "/backups ordem",
    "/backups upload",
    "/backups 5000",
    "/backups/n",
    "/execucoes",
    "/fontes",
];

/// The address of a kind of page, another one each time where it asks something.
fn address(kind: &str, turn: usize, backups: i64) -> String {
    let turn = turn as i64;
    let chain = turn % seed::CHAINS;
    match kind {
        "/backups q=1" => format!("/backups?q=fonte{chain:02}%2Czz{}", turn % 3),
        "/backups q=3" => {
            format!(
                "/backups?q=servidor{:02}+sucesso+{:02}%2F{:02}%2F20",
                chain % 7,
                turn % 28 + 1,
                turn % 12 + 1
            )
        }
        "/backups ordem" => "/backups?ordem=-3".into(),
        "/backups upload" => "/backups?ordem=-6".into(),
        "/backups 5000" => format!("/backups?pagina={}", (backups / 20).min(5000)),
        "/backups/n" => format!("/backups/{}", 1 + turn * 7919 % backups),
        plain => plain.to_owned(),
    }
}

fn token(session: usize) -> String {
    format!("CANARY-{session:04}")
}

/// Sessions of one account, written past the dashboard.
fn sign_in(home: &Home, now: Timestamp) {
    for session in 0..SESSIONS {
        let hash = Sha256::digest(token(session).as_bytes());
        let hash: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        home.exec(&format!(
            "INSERT INTO session (token_hash, account, csrf, created, seen, peer) \
             SELECT '{hash}', id, 'x', '{now:.6}', '{now:.6}', '127.0.0.1' FROM account WHERE login = 'todos'"
        ));
    }
}

fn ask(to: SocketAddr, page: &str, session: usize) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    let cookie = token(session);
    let head = format!("GET {page} HTTP/1.1\r\nHost: localhost\r\nCookie: vex={cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// What one kind of page took, each time.
type Took = Mutex<Vec<Vec<Duration>>>;

/// Each session asks one page a second, page after page, for so many seconds.
fn everybody(to: SocketAddr, backups: i64, seconds: usize) -> Vec<Vec<Duration>> {
    let took: Took = Mutex::new(vec![Vec::new(); PAGES.len()]);
    let took = &took;
    let begun = Instant::now();
    scope(|threads| {
        for session in 0..SESSIONS {
            threads.spawn(move || {
                for second in 0..seconds {
                    // Spread over the second, as people are.
                    let due =
                        Duration::from_millis((second * 1000 + session * 1000 / SESSIONS) as u64);
                    std::thread::sleep(due.saturating_sub(begun.elapsed()));
                    let kind = (session + second) % PAGES.len();
                    let page = address(PAGES[kind], session * 31 + second, backups);
                    let asked = Instant::now();
                    let answer = ask(to, &page, session);
                    let elapsed = asked.elapsed();
                    assert_eq!(status(&answer), 200, "{page}: {answer}");
                    took.lock().unwrap()[kind].push(elapsed);
                }
            });
        }
    });
    took.lock().unwrap().clone()
}

fn space(home: &Home) -> Space {
    let space = Space::new().env("TZ", "UTC").env("VEX_LANG", "pt-BR");
    fs::write(space.path("vex.kdl"), home.node("")).unwrap();
    let file = space.secret("senha", "CANARY-senha-de-todos");
    let add = ["user", "add", "todos", "--site", "vex.kdl", "--password-file"];
    space.run(&[&add[..], &[file.to_str().unwrap()]].concat()).expect(0);
    space
}

/// A dashboard on a free port, and where it is.
pub fn serve_with(space: &Space, arguments: &[&str]) -> (Running, SocketAddr) {
    let mut server = space.start(&[arguments, &["--listen", "127.0.0.1:0"]].concat());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told =
        lines.find_map(|line| Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned()));
    // Whoever writes into a pipe that nobody reads waits for ever.
    let mut errors = server.0.stderr.take().unwrap();
    std::thread::spawn(move || errors.read_to_end(&mut Vec::new()));
    (server, told.expect("the dashboard says where it is").parse().unwrap())
}

/// The most memory that a server had, in MiB.
pub fn peak(server: &Running) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.0.id())).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim_matches([' ', '\t', 'k', 'B']).parse::<u64>().unwrap() / 1024
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// Fills a catalog, and has everybody look at it; says figures where it is the whole.
fn measure(name: &str, home: &Home, backups: i64, seconds: usize) {
    let now = Timestamp::now();
    let space = space(home);
    let begun = Instant::now();
    seed::fill(home, backups, now);
    let filled = begun.elapsed();
    sign_in(home, now);
    let (server, to) = serve_with(&space, &["serve", "--site", "vex.kdl"]);
    let begun = Instant::now();
    let first = ask(to, "/backups?q=fonte03", 0);
    assert_eq!(status(&first), 200, "{first}");
    assert!(first.contains("fonte03"), "{first}");
    let searched = begun.elapsed();
    let took = everybody(to, backups, seconds);
    if !is_whole() {
        return;
    }
    figure(&format!(
        "{name}: {backups} backups filled in {:.0} s, first search of all {:.1} s, peak {} MiB",
        filled.as_secs_f64(),
        searched.as_secs_f64(),
        peak(&server)
    ));
    for (kind, mut took) in PAGES.into_iter().zip(took) {
        took.sort();
        let at = |part: usize| milliseconds(took[(took.len() - 1) * part / 100]);
        figure(&format!(
            "{name}: {kind}: {} times, median {:.1} ms, p99 {:.1} ms",
            took.len(),
            at(50),
            at(99)
        ));
    }
}

fn is_whole() -> bool {
    std::env::var_os("VEX_PAGES").is_some()
}

#[test]
fn everybody_looks_at_years_of_backups() {
    let backups = std::env::var("VEX_PAGES").map_or(400, |n| n.parse().unwrap());
    let seconds = if is_whole() { 30 } else { 2 };
    let only = std::env::var("VEX_PAGES_ON").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.contains(name);
    if wanted("sqlite") {
        measure("sqlite", &Home::File(tempfile::tempdir().unwrap()), backups, seconds);
    }
    if is_whole() && wanted("mariadb") {
        measure("mariadb 10.11", &Home::mysql(Brand::Mariadb.shared(), "pages"), backups, seconds);
    }
    if is_whole() && wanted("postgres") {
        measure("postgresql 17", &Home::postgres(Pg::V17.shared(), "pages"), backups, seconds);
    }
}
