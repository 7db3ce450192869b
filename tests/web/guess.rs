//! Who guesses logins: neither the answer nor its time says whether an account is there, and many at
//! once take no more memory than two.
//!
//! CI tries a hundred times; `tests/torture.sh web` ten thousand times, and prints figures.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::space::Space;
use crate::web::attack::{PASSWORD, login, peopled};
use crate::web::front::flood::figure;
use crate::web::front::served::{body, status};
use crate::web::load::{peak, serve_with};

/// What a hash takes, in MiB, and how many there are at once.
const HASH: u64 = 19;
const AT_ONCE: u64 = 2;

/// What everything else may take more while two hundred ask, in MiB.
const ELSE: u64 = 32;

/// A space whose dashboard believes where a proxy says that somebody is.
fn behind_a_proxy() -> Space {
    let space = peopled().job("");
    std::fs::write(space.path("vex.kdl"), "web trusted-proxy=\"127.0.0.1\"\n").unwrap();
    space
}

/// The field of a proxy that names an address that nobody had before.
fn from(n: usize) -> String {
    format!("X-Forwarded-For: 10.{}.{}.{}\r\n", n >> 16 & 255, n >> 8 & 255, n & 255)
}

fn try_once(to: SocketAddr, n: usize, who: &str) -> (Duration, String) {
    let asked = Instant::now();
    let answer = login(to, &from(n), who, "CANARY-errada-errada");
    (asked.elapsed(), answer)
}

/// Mean, variance and median of some times, in milliseconds.
fn measured(times: &[Duration]) -> (f64, f64, f64) {
    let mut times: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let n = times.len() as f64;
    let mean = times.iter().sum::<f64>() / n;
    let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance, times[times.len() / 2])
}

#[test]
fn a_wrong_password_and_an_unknown_login_are_one_answer() {
    let space = behind_a_proxy();
    let (_server, to) = serve_with(&space, &["serve", "--site", "vex.kdl"]);
    let tries = if std::env::var_os("VEX_WEB").is_some() { 10_000 } else { 100 };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut texts = std::collections::BTreeSet::new();
    for n in 0..tries {
        // Each first as often as the other, so that what the machine does besides is shared.
        let is_known = n % 4 == 0 || n % 4 == 3;
        let who = if is_known { "leitora" } else { "lunatic" };
        let (took, answer) = try_once(to, n, who);
        assert_eq!(status(&answer), 401, "{answer}");
        texts.insert(body(&answer).replace(who, "LOGIN"));
        if is_known { known.push(took) } else { unknown.push(took) }
    }
    assert_eq!(texts.len(), 1, "the pages differ by more than the login that was typed");
    let ((mean, variance, median), (other, spread, middle)) =
        (measured(&known), measured(&unknown));
    let n = known.len() as f64;
    let t = (mean - other) / (variance / n + spread / n).sqrt();
    figure(&format!(
        "{tries} logins: known {median:.2} ms, unknown {middle:.2} ms at the median, ratio {:.4}, Welch's t {t:.2}",
        median / middle
    ));
    // Nobody was locked out by it.
    assert_eq!(status(&login(to, &from(1 << 20), "leitora", PASSWORD)), 303);
}

#[test]
fn two_hundred_logins_at_once_take_the_memory_of_two() {
    let space = behind_a_proxy();
    let (server, to) = serve_with(&space, &["serve", "--site", "vex.kdl"]);
    let (_, answer) = try_once(to, 0, "leitora");
    assert_eq!(status(&answer), 401);
    let before = peak(&server);
    let found: Vec<u16> = std::thread::scope(|threads| {
        let one = |n: usize| status(&try_once(to, n, "leitora").1);
        let all: Vec<_> = (1..=200).map(|n| threads.spawn(move || one(n))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|s| [401, 429, 503].contains(s)), "{found:?}");
    assert!(found.contains(&401), "{found:?}");
    let grown = peak(&server) - before;
    assert!(grown <= AT_ONCE * HASH + ELSE, "{grown} MiB more than {before}");
    let looked = found.iter().filter(|s| **s == 401).count();
    figure(&format!(
        "200 logins at once: {looked} were looked at, the others turned away, {grown} MiB more than {before} MiB"
    ));
}
