//! What a run says, as types: the words that scheduler, steps, listeners, catalog, letters and pages
//! share.
//!
//! Plain data. Nobody splits an address and nobody matches a message: what a reader has to know is a
//! field. Sentences are made at the edge, in the reader's language.

mod event;
mod facts;
mod failure;
mod verdict;

pub use event::{EVENTS, Event, IN_USE, LogLevel, NOT_MEANT, Progress, Stamped, StepEnd};
pub use facts::{
    ArtifactFacts, AssertFacts, CopyFacts, DrillFacts, DumpFacts, ProofFacts, RestoreFacts,
    RunFacts, RunKind, StepFacts, Verb,
};
pub use failure::{Failure, TriesFacts};
pub use verdict::Verdict;
