//! Which entries of an artifact make one plain file of SQL, and whether such a file can be run.
//!
//! Pure. Accounts are never among them: whoever feeds SQL to a client brings back databases, not
//! passwords.

use crate::artifact::{Dialect, Kind, Manifest};
use crate::recover::choice::{Names, is_archive, nothing, wanted};
use crate::recover::fault::Fault;

/// Whether each member's entries belong into the file, by its index: all SQL, or what `only` names
/// of it.
pub fn scripts(manifest: &Manifest, dialect: Dialect, only: &[String]) -> Result<Vec<bool>, Fault> {
    let mut chosen = wanted(manifest, Names::only(only))?;
    let mut units: Vec<&str> = Vec::new();
    for (member, chosen) in manifest.members.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
        // The file of SQLite has no name, and its rows stand beside it as SQL.
        if *chosen && is_archive(member) {
            let found =
                format!("{} is a file of a program of the database, and no SQL", member.title());
            return Err(nothing(found, Some("Bring it back with `vex restore`.".into())));
        }
        if !units.contains(&member.unit.as_str()) {
            units.push(&member.unit);
        }
    }
    // A client of PostgreSQL stays in the database it is in.
    if dialect == Dialect::Postgres && units.len() > 1 {
        let found = format!(
            "the backup holds the databases {}, and one file is for one of them",
            units.join(", ")
        );
        return Err(nothing(found, Some("Choose one with --only DB.".into())));
    }
    for (chosen, member) in chosen.iter_mut().zip(&manifest.members) {
        *chosen &= member.kind != Kind::File;
    }
    Ok(chosen)
}
