//! The format and its promises; pure. `schema/artifact.md` is normative.
//!
//! - An artifact exists if and only if its manifest does; the manifest is written last and removed
//!   first.
//! - Every object is written once.
//! - A newer format is refused by number, never misread.
//! - The stores alone suffice to list, verify and restore.

mod age;
mod container;
mod copy;
mod damage;
mod definition;
mod fingerprint;
mod halves;
mod head;
mod index;
mod legacy;
mod literal;
mod manifest;
mod marker;
mod member;
mod name;
mod open;
mod origin;
mod piece;
mod piece_seal;
mod plain;
mod position;
mod press;
mod proof;
mod readme;
mod seal;
mod shown_rows;
mod signature;
mod split;
mod sql;
mod tar;
mod totals;
mod verification;

pub use age::{AGE, AgeError, Identities, Recipients};
pub use container::{Directory, Method, Pressed};
pub use copy::{CopyEntry, copy_proof};
pub use damage::Damage;
pub use definition::{definition, definition_text};
pub use fingerprint::fingerprint_of;
pub use halves::{Half, halves};
pub use head::{ENTRY, FORMAT, Head, LARGEST_HEAD, ObjectLine, Seal, format_of};
pub use index::{
    ContentsLine, EntryLine, FrameLine, INDEX, IndexLine, IndexWriter, Keys, MEMBERS, MemberSum,
    hex, is_entries, open_frame, read_entries, read_frames, read_members, sums,
};
pub use legacy::{LARGEST_LEGACY, parse as parse_legacy};
pub use literal::{Dialect, SqlError, write_bytes, write_name, write_text};
pub use manifest::{Manifest, follows};
pub use marker::{ABANDONED, LARGEST_MARKER, Marker, REFRESHED};
pub use member::{Kind, Member, Phase};
pub use name::{
    EntryNames, MANIFEST, Naming, Part, TEMPLATE, backup_name, begun_key, is_backup_name,
    is_proof_of, pieces_name, proof_key,
};
pub use open::{check, open, open_first, open_text, plain_of, read_text};
pub use origin::Origin;
pub use piece::{
    Holds, LogRange, PIECES, PieceLine, PlainPiece, owns_piece, piece_key, piece_places,
    piece_prefix, piece_tag,
};
pub use piece_seal::{PieceSeal, SEALED_PIECES, open_piece, piece_ending};
pub use plain::{Plain, plain_rows, plain_statement};
pub use position::Position;
pub use press::press;
pub use proof::{ALGORITHM, Proof, RowDigest, Tag};
pub use readme::{is_readme, readme};
pub use seal::{Key, SealError, Sealing, may_seal};
pub use shown_rows::{Cell, show_rows};
pub use signature::{LARGEST_SIGNATURE, SIGNATURE, SignatureError, Signer, VerifyKey, verify};
pub use split::{Splitter, Statement, whole_statements};
pub use sql::{Value, read_insert, read_rows};
pub use tar::{TakeTar, TarEntry, TarError, TarKind, TarReader};
pub use totals::{Details, Totals, UnitSum};
pub use verification::{LARGEST_PROOF, Level, PROOF_FORMAT, ProofLine};
