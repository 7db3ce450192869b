//! Failpoints: numbered points of the commit path, where a test may kill the process as a crash
//! would.
//!
//! In a release build this is nothing. In a debug build every call counts; `VEX_TEST_POINTS=FILE`
//! notes the names, `VEX_TEST_KILL=N` ends the process with SIGKILL at point N, counted from 1.

/// A failpoint called `name`.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(path) = std::env::var_os("VEX_TEST_POINTS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // One write: two threads may note a point at once.
        let line = format!("{number} {name}\n");
        file.and_then(|mut f| f.write_all(line.as_bytes()))
            .expect("a test's list of points can be written");
    }
    if std::env::var("VEX_TEST_KILL").ok().and_then(|n| n.parse().ok()) == Some(number) {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .expect("a process may kill itself");
        loop {
            std::thread::park();
        }
    }
}

/// A failpoint called `name`.
#[cfg(not(debug_assertions))]
#[inline]
pub fn failpoint(_: &str) {}

/// A call between two failpoints, `name before` and `name after`.
pub fn around<T>(name: &str, call: impl FnOnce() -> T) -> T {
    failpoint(&format!("{name} before"));
    let result = call();
    failpoint(&format!("{name} after"));
    result
}
