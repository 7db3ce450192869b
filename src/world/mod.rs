//! Every effect that a test replaces: time, chance, the network, children, signals, secrets, the
//! state folder.

mod clock;
mod entropy;
mod failpoint;
mod http;
mod machine;
mod process;
mod process_id;
mod retry;
mod reveal;
mod secure;
mod signal;

use std::path::PathBuf;

pub use clock::Clock;
pub use entropy::Entropy;
pub use failpoint::{around, failpoint};
pub use http::{Agents, Lent, Trust, agents, install_provider};
pub use machine::absolute;
pub use process::{Child, ChildError, harden};
pub use process_id::{is_gone, process_id};
pub use retry::Backoff;
pub use reveal::{RevealError, reveal, reveal_text};
pub use secure::secure_client;
pub use signal::{Interrupts, watch};

/// What the outside looks like to this process.
#[derive(Debug, Clone)]
pub struct World {
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
    /// Folder of the catalog, locks, logs and staging copies.
    pub state: PathBuf,
}

impl World {
    /// The real world: `$XDG_STATE_HOME/vex`, else `/var/lib/vex` for root, else
    /// `~/.local/state/vex`.
    pub fn real() -> World {
        let home = |rest: &str| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(rest));
        let state = match std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()) {
            Some(folder) => PathBuf::from(folder).join("vex"),
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/vex"),
            None => home(".local/state/vex").unwrap_or_else(|| PathBuf::from("/var/lib/vex")),
        };
        World { clock: Clock::real(), entropy: Entropy::Os, state }
    }

    /// Name of this machine.
    pub fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    /// Identity and name of this machine, as `ID NAME`; `None` where the identity can't be read.
    /// Both, since machines made from one image may share the identity.
    pub fn machine(&self) -> Option<String> {
        Some(format!("{} {}", machine::id()?, self.host()))
    }
}
