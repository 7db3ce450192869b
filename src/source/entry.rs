//! Whether an entry of an archive may be loaded at all, before any server is asked: it is what its
//! member is for, and nothing else.
//!
//! The same rules hold again when it is loaded; here they keep a file that somebody else may have
//! written from touching anything.

use crate::artifact::{Dialect, Member};
use crate::source::{mysql, postgres};

/// Why an entry of a member may not be loaded; nothing if it may. `held` says whether the backup has
/// a table, view or sequence of a name.
pub fn objection(
    dialect: Dialect,
    member: &Member,
    entry: &[u8],
    held: &dyn Fn(&str) -> bool,
) -> Option<String> {
    match dialect {
        Dialect::Mysql => mysql::entry_objection(member, entry, held),
        Dialect::Postgres => postgres::entry_objection(member, entry),
        Dialect::Sqlite => Some("such files hold MySQL or PostgreSQL".into()),
    }
}
