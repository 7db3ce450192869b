//! What `vex list --all` flags: objects in the folders of a file that no backup of vex is called like,
//! and backups that the catalog knows and their store has no more.
//!
//! Removes nothing and changes nothing.

use serde::Serialize;

use crate::base::Size;
use crate::recover::{is_binlog_key, is_wal_key};
use crate::shelf::STORE_OBJECT;

use crate::cli::args::Format;
use crate::cli::exit::Exit;
use crate::cli::shelves::Found;
use crate::cli::wiring::{App, Loaded, complain, connect_catalog, tell};

/// What is flagged.
pub struct Flagged {
    lines: Vec<Line>,
    exit: Exit,
}

/// One finding, version 2 of the listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    version: u32,
    found: Kind,
    store: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Vex has no name for it.
    Unknown,
    /// The catalog knows it, and its store has it no more.
    Gone,
}

/// Looks for both.
pub fn flag(loaded: &Loaded, found: &[Found], app: &App) -> Flagged {
    let mut flagged = Flagged { lines: strangers(found), exit: Exit::Success };
    match gone(loaded, found, app) {
        Ok(lines) => flagged.lines.extend(lines),
        Err(why) => {
            complain(&format!("what is gone is not known: {why}"));
            flagged.exit = Exit::Error;
        }
    }
    flagged
}

/// Objects that no chain of the file has a name for; a folder may hold that of another chain.
fn strangers(found: &[Found]) -> Vec<Line> {
    let mut lines = Vec::new();
    for own in found {
        let Ok(listing) = &own.listing else { continue };
        let is_known = |key: &str| {
            let same = |other: &&Found| other.place == own.place;
            found.iter().filter(same).any(|other| {
                let name = key.strip_prefix(&other.root);
                name == Some(STORE_OBJECT)
                    || name.is_some_and(|name| is_wal_key(name) || is_binlog_key(name))
                    || (other.naming != own.naming && other.naming.owns(key))
            })
        };
        let unknown = listing.strangers.iter().filter(|o| !is_known(&o.key));
        lines.extend(unknown.map(|object| Line {
            version: 2,
            found: Kind::Unknown,
            store: own.store.clone(),
            key: object.key.clone(),
            bytes: Some(object.bytes),
            id: None,
            source: None,
        }));
    }
    lines.sort();
    lines.dedup();
    lines
}

/// Backups of the catalog that are not in the stores that answered.
fn gone(loaded: &Loaded, found: &[Found], app: &App) -> Result<Vec<Line>, String> {
    let mut catalog = connect_catalog(&app.world, &loaded.file, &app.stop)?;
    let (mut present, mut unread) = (Vec::new(), Vec::new());
    for own in found {
        let Ok(listing) = &own.listing else { continue };
        let of = |a: &'_ crate::shelf::Shelved| {
            [a.head.id.to_string(), a.head.source.clone(), own.store.clone()]
        };
        present.extend(listing.artifacts.iter().map(of));
        unread.extend(listing.unreadable.iter().map(|(key, _)| (own.store.clone(), key.clone())));
    }
    let present: Vec<[&str; 3]> =
        present.iter().map(|[id, source, store]| [&**id, &**source, &**store]).collect();
    let answered = |store: &str| {
        let mut own = found.iter().filter(|f| f.store == store).peekable();
        own.peek().is_some() && own.all(|f| f.listing.is_ok())
    };
    let mut lines = Vec::new();
    for plan in &loaded.plans {
        let job = (loaded.path.as_str(), plan.job.as_str());
        let absent = catalog.absent(job, &present, &unread).map_err(|e| e.to_string())?;
        let lost = absent.into_iter().filter(|[_, _, store, _]| answered(store));
        lines.extend(lost.map(|[id, source, store, key]| Line {
            version: 2,
            found: Kind::Gone,
            store,
            key,
            bytes: None,
            id: Some(id),
            source: Some(source),
        }));
    }
    lines.sort();
    Ok(lines)
}

impl Flagged {
    /// Prints it; a backup that is gone is an error.
    pub fn print(self, format: Format) -> Exit {
        let mut exit = self.exit;
        for line in self.lines {
            if line.found == Kind::Gone {
                exit = exit.worse(Exit::Error);
            }
            if format == Format::Json {
                tell(&serde_json::to_string(&line).expect("BUG: a listing that is not JSON"));
                continue;
            }
            let Line { store, key, bytes, id, source, .. } = &line;
            complain(&match line.found {
                Kind::Unknown => format!(
                    "! {key} ({}) in {store} is unknown: no backup of this file is called so",
                    Size(bytes.unwrap_or(0))
                ),
                Kind::Gone => format!(
                    "! {key} in {store} is gone: the catalog has it as backup {} of {}; `vex catalog rebuild` \
                     notes that it was removed",
                    id.as_deref().unwrap_or_default(),
                    source.as_deref().unwrap_or_default()
                ),
            });
        }
        exit
    }
}
