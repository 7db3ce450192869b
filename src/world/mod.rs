//! Every effect that a test replaces: time, chance, the network, children, signals, secrets, the
//! state folder.

mod clock;
mod colours;
mod entropy;
mod env_file;
mod failpoint;
mod http;
mod machine;
mod privacy;
mod process;
mod process_id;
mod retry;
mod reveal;
mod secure;
mod service;
mod signal;

use std::path::PathBuf;

pub use clock::Clock;
pub use colours::{colours, draws};
pub use entropy::Entropy;
pub use env_file::{Variable, keep_variable, read_env_file};
pub use failpoint::{around, failpoint};
pub use http::{Agents, Lent, Trust, agents, install_provider};
pub use machine::absolute;
pub use privacy::privacy;
pub use process::{Child, ChildError, harden};
pub use process_id::{is_gone, process_id};
pub use retry::Backoff;
pub use reveal::{RevealError, reveal, reveal_text};
pub use secure::secure_client;
pub use service::ServiceManager;
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
    /// Where what can't be streamed is staged; in the state folder when `None`.
    pub staging: Option<PathBuf>,
    /// Where the logs of runs are; in the state folder when `None`.
    pub logs: Option<PathBuf>,
}

impl World {
    /// The real world: `$STATE_DIRECTORY` (systemd), else `$XDG_STATE_HOME/vex`, else
    /// `/var/lib/vex` for root, else `~/.local/state/vex`.
    pub fn real() -> World {
        let home = |rest: &str| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(rest));
        let given = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        // A unit with several state directories lists them with colons.
        let of_unit = |name: &str| given(name).and_then(|all| std::env::split_paths(&all).next());
        let own = of_unit("STATE_DIRECTORY");
        let state = match (own, given("XDG_STATE_HOME")) {
            (Some(folder), _) => folder,
            (None, Some(folder)) => PathBuf::from(folder).join("vex"),
            (None, None) if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/vex"),
            (None, None) => {
                home(".local/state/vex").unwrap_or_else(|| PathBuf::from("/var/lib/vex"))
            }
        };
        let logs = of_unit("LOGS_DIRECTORY");
        World { clock: Clock::real(), entropy: Entropy::Os, state, staging: None, logs }
    }

    /// Where what can't be streamed is staged.
    pub fn staging(&self) -> PathBuf {
        self.staging.clone().unwrap_or_else(|| self.state.join("staging"))
    }

    /// Where the logs of runs are, a folder a job: `$LOGS_DIRECTORY` (systemd), else `logs` in the
    /// state folder.
    pub fn logs(&self) -> PathBuf {
        self.logs.clone().unwrap_or_else(|| self.state.join("logs"))
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
