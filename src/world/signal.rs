//! SIGINT and SIGTERM: the first stops the run cleanly, the second ends the process at once; so does
//! the time that the first one gives.
//!
//! Does not know what a run is: it stops a token. The handler only sets a flag; a thread of its own
//! does the rest. SIGPIPE and SIGXFSZ end nothing: a write into a pipe without a reader, or beyond
//! the largest size of a file, is an error of that write. Children have the defaults of the system.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::base::Stop;

/// Which signal stopped the run, if one did.
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<AtomicI32>);

impl Interrupts {
    /// The exit code of the signal that came: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    pub fn code(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(128 + signal as u8),
        }
    }
}

/// How long a process may take to end after its first signal: what still waits then, for a server
/// that was frozen or a disk that is gone, is left as a crash would leave it, and the next run finds
/// it so.
const GRACE: Duration = Duration::from_secs(9);

/// Watches for signals until the process ends: the first stops `stop`, the second exits.
pub fn watch(stop: &Stop) -> std::io::Result<Interrupts> {
    for signal in [SIGPIPE, SIGXFSZ] {
        // Nobody reads the flag. A handler, unlike `ignore`, is not handed on to children.
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let interrupts = Interrupts::default();
    let (seen, stop) = (interrupts.clone(), stop.clone());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if seen.0.swap(signal, Ordering::SeqCst) != 0 {
                std::process::exit(128 + signal);
            }
            stop.stop();
            std::thread::Builder::new()
                .name("grace".into())
                .spawn(move || {
                    std::thread::sleep(GRACE);
                    let line = format!(
                        "vex: ends now: something did not let go within {} s of the signal\n",
                        GRACE.as_secs()
                    );
                    // Nobody may be there to read it.
                    drop(std::io::stderr().write_all(line.as_bytes()));
                    std::process::exit(128 + signal);
                })
                // The second signal ends it all the same.
                .ok();
        }
    })?;
    Ok(interrupts)
}
