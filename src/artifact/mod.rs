//! The format and its promises; pure. `schema/artifact.md` is normative.
//!
//! - An artifact exists if and only if its manifest does; the manifest is written last and removed
//!   first.
//! - Every object is written once.
//! - A newer format is refused by number, never misread.
//! - The stores alone suffice to list, verify and restore.

mod container;
mod copy;
mod damage;
mod literal;
mod manifest;
mod member;
mod name;
mod origin;
mod plain;
mod position;
mod press;
mod proof;
mod seal;
mod split;
mod sql;
mod tar;

pub use container::{Directory, LARGEST_ENTRY, Method, Pressed, open, open_first, read_entry};
pub use copy::{CopyEntry, CopyRows, copy_proof};
pub use damage::Damage;
pub use literal::{Dialect, SqlError, write_bytes, write_name, write_text};
pub use manifest::{
    ENTRY, EntryLine, FORMAT, LARGEST, Level, Manifest, ObjectLine, ProofLine, format_of,
};
pub use member::{Kind, Member, Phase};
pub use name::{
    EntryNames, MANIFEST, Naming, TEMPLATE, backup_name, is_backup_name, is_proof_of, proof_key,
};
pub use origin::Origin;
pub use plain::{Plain, plain_rows, plain_statement};
pub use position::Position;
pub use press::press;
pub use proof::{ALGORITHM, Proof, RowDigest, RowSum, Tag};
pub use seal::{LONGEST_PASSWORD, SealError, may_seal};
pub use split::{Splitter, Statement, Whole, whole_statements};
pub use sql::{TakeRow, Value, read_insert, read_rows};
pub use tar::{TakeTar, TarEntry, TarError, TarKind, TarReader};
