//! Which process this is, and whether another one still runs (Linux: `/proc`).
//!
//! A PID alone says nothing: it is given again, and containers have PIDs of their own. What can't
//! be read is `None`: then nobody can say that the process is dead.

use crate::base::ProcessId;
use crate::world::machine;

/// This process; `None` where the machine does not say which one it is.
pub fn process_id() -> Option<ProcessId> {
    let text = |path: &str| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let pid = std::process::id();
    Some(ProcessId {
        machine: machine::id()?,
        boot: text("/proc/sys/kernel/random/boot_id")?,
        namespace: namespace.to_string_lossy().into_owned(),
        pid,
        started: started(pid)?,
    })
}

/// Whether a process is gone for certain: it ran on this machine, since this boot and among these
/// PIDs, and no process has its PID and its start. A copy of a machine has its ID and another boot,
/// a container its boot and other PIDs: of those nothing is known.
pub fn is_gone(process: &ProcessId) -> bool {
    let Some(own) = process_id() else { return false };
    process.machine == own.machine
        && process.boot == own.boot
        && process.namespace == own.namespace
        && started(process.pid) != Some(process.started)
}

/// When a process started, in ticks since the boot (field 22 of `stat`, proc(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_gone_and_one_of_elsewhere_is_never_known_to_be() {
        let Some(own) = process_id() else { return };
        assert!(!is_gone(&own));
        let other = ProcessId { started: own.started + 1, ..own.clone() };
        assert!(is_gone(&other), "the PID was given again");
        assert!(!is_gone(&ProcessId { machine: "x".into(), ..other.clone() }));
        assert!(!is_gone(&ProcessId { boot: "x".into(), ..other.clone() }));
        assert!(!is_gone(&ProcessId { namespace: "pid:[1]".into(), ..other }));
    }
}
