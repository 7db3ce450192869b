//! The format and its promises; pure. `schema/artifact.md` is normative.

mod member;
mod position;
mod proof;

pub use member::{Kind, Member, Phase};
pub use position::Position;
pub use proof::{ALGORITHM, Proof, RowDigest, RowSum, Tag};
