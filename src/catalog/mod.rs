//! What happened; an index, never the truth. The stores alone are enough to rebuild it.

mod backups;
mod migrate;
mod open;
mod record;
mod runs;

pub use open::{Catalog, CatalogError};
pub use record::{ArtifactRow, BackupRow, CopyRow, ProofRow, RunRow, StepRow};
