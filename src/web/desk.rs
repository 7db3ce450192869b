//! What the dashboard asks of the machine; the command line answers it.
//!
//! Invariant: a run is a process of its own; the dashboard ends without it.

/// Starts runs on this machine.
pub trait Desk: Send + Sync {
    /// The name of this machine, as runs note it.
    fn host(&self) -> &str;

    /// Starts a job of a file. The error says why it did not begin.
    fn run(&self, file: &str, job: &str) -> Result<(), String>;

    /// Reads a backup of a source back from a store and recounts its rows; what is found is a proof
    /// in the catalog. The error says why that did not begin.
    fn verify(&self, file: &str, source: &str, store: &str, id: &str) -> Result<(), String>;
}
