//! What systemd is told of a service: that it is ready, that it lives, that it ends (`sd_notify`).
//!
//! Does not know the service. Invariant: without `NOTIFY_SOCKET` nothing is sent, and a message that
//! can't be sent changes nothing.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The manager of this service.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that started this process; nobody where it is no service.
    pub fn real() -> ServiceManager {
        let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| given(name)?.to_str()?.parse::<u64>().ok();
        // A watchdog of another process is none of ours.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        ServiceManager {
            address: given("NOTIFY_SOCKET").and_then(address),
            watchdog: watchdog.map(Duration::from_micros),
        }
    }

    /// How often it wants to hear that the service lives: twice in the time after which it would
    /// start it anew.
    pub fn pulse(&self) -> Option<Duration> {
        self.address.as_ref()?;
        self.watchdog.map(|longest| longest / 2)
    }

    /// Says that the service is ready, and what it is.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
    }

    /// Says that the service lives.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Says that the service ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=ending");
    }

    fn send(&self, message: &str) {
        let Some(address) = &self.address else { return };
        // Who does not listen any more misses nothing that the exit code does not say.
        drop(
            UnixDatagram::unbound()
                .and_then(|socket| socket.send_to_addr(message.as_bytes(), address)),
        );
    }
}

/// A path, or a name without one behind `@`.
fn address(text: OsString) -> Option<SocketAddr> {
    match text.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => SocketAddr::from_pathname(&text).ok(),
    }
}
