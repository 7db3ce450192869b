//! Brings an artifact back into a target, all of it or a part, and proves what came back.

use std::collections::HashSet;

use crate::artifact::{Kind, Manifest, Member, Phase, Proof};
use crate::base::{Stop, suggest};
use crate::pipeline::{self, Fetch, Meter, Outcome, Restore};
use crate::run::Say;
use crate::source::contract::{Error as SourceError, ErrorKind, Loading, Source, Terms};
use crate::step::backup::watched;
use crate::step::fault::Fault;

/// What of an artifact is restored, and how.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What the target is told.
    pub loading: Loading,
    /// Whether a member's entries are loaded, by its index.
    pub chosen: Vec<bool>,
}

impl Choice {
    /// Tables and other objects that will be there, for the plan.
    pub fn count(&self, kind: Kind) -> usize {
        self.loading.members.iter().filter(|m| m.kind == kind).count()
    }

    /// Rows and digest of every table that is recounted in the target, by the index of its member.
    pub fn recounted(&self, manifest: &Manifest) -> Vec<(usize, Proof)> {
        let mut proofs = manifest.proofs();
        proofs.retain(|(index, _)| pipeline::recounts(&self.loading, &self.chosen, *index));
        proofs
    }
}

/// Why nothing can be chosen.
pub(super) fn nothing(found: String, hint: Option<String>) -> Fault {
    Fault::Nothing { doing: "choose what to restore".into(), found, hint }
}

/// Which members are meant: all, or those that `only` names; never accounts.
pub(super) fn wanted(manifest: &Manifest, only: &[String]) -> Result<Vec<bool>, Fault> {
    let mut wanted = vec![only.is_empty(); manifest.members.len()];
    for selector in only {
        let mut any = false;
        for (index, member) in manifest.members.iter().enumerate() {
            if selects(selector, member) {
                any |= !matches!(member.kind, Kind::Database | Kind::Object)
                    || *selector == member.unit;
                wanted[index] = true;
            }
        }
        if !any {
            let mut titles: Vec<String> = manifest.members.iter().map(Member::title).collect();
            titles.dedup();
            let near = suggest(selector, titles.iter().map(String::as_str))
                .map(|n| format!("Did you mean {n}?"));
            let units = format!("The backup holds the databases {}.", manifest.units().join(", "));
            return Err(nothing(format!("{selector} is not in the backup"), near.or(Some(units))));
        }
    }
    with_partitions(manifest, &mut wanted);
    // Accounts come back only when they are asked for.
    for (wanted, _) in wanted.iter_mut().zip(&manifest.members).filter(|(_, m)| is_about_account(m))
    {
        *wanted = false;
    }
    // A program that writes a database as one script gives no table of it alone; nor does an
    // archive that nobody opened.
    let whole = |m: &Member| m.table.is_none() && (m.kind == Kind::Script || is_archive(m));
    let scripts: Vec<&str> = manifest
        .members
        .iter()
        .zip(&wanted)
        .filter(|(m, wanted)| whole(m) && !**wanted)
        .map(|(m, _)| m.unit.as_str())
        .collect();
    let mut tables = manifest
        .members
        .iter()
        .zip(&wanted)
        .filter(|(m, wanted)| m.kind == Kind::Table && **wanted);
    if let Some((table, _)) = tables.find(|(m, _)| scripts.contains(&m.unit.as_str())) {
        let found = format!(
            "{} was dumped with its whole database, as one script or archive",
            table.title()
        );
        let hint = format!(
            "Choose all of it with --only {}, and into another server or name if need be.",
            table.unit
        );
        return Err(nothing(found, Some(hint)));
    }
    Ok(wanted)
}

/// Adds the partitions of tables that are wanted, and theirs: without them there would be no row.
fn with_partitions(manifest: &Manifest, wanted: &mut [bool]) {
    let is_table = |m: &&Member| m.kind == Kind::Table;
    let chosen =
        manifest.members.iter().zip(wanted.iter()).filter(|(m, wanted)| is_table(m) && **wanted);
    let mut all: HashSet<String> = chosen.map(|(m, _)| m.title()).collect();
    let mut added: HashSet<(&str, Option<&str>, &str)> = HashSet::new();
    loop {
        let before = all.len();
        for member in manifest.members.iter().filter(is_table) {
            if member.parents().iter().any(|parent| all.contains(parent))
                && all.insert(member.title())
            {
                added.insert((&member.unit, member.schema.as_deref(), &member.name));
            }
        }
        if all.len() == before {
            break;
        }
    }
    for (member, wanted) in manifest.members.iter().zip(wanted) {
        let own =
            member.table().map(|table| (member.unit.as_str(), member.schema.as_deref(), table));
        *wanted |= own.is_some_and(|own| added.contains(&own));
    }
}

/// Chooses members: all, or those that `only` names as `DB` or `DB.TABLE`.
pub fn choose(
    manifest: &Manifest,
    only: &[String],
    rename: Option<&str>,
    overwrite: bool,
) -> Result<Choice, Fault> {
    let wanted = wanted(manifest, only)?;
    let whole_file = only.is_empty() && manifest.members.iter().any(is_copy);
    // A whole restore takes the exact file and proves its tables; a part of it takes SQL.
    let chosen: Vec<bool> = manifest
        .members
        .iter()
        .zip(&wanted)
        .map(|(member, wanted)| *wanted && is_copy(member) == whole_file)
        .collect();
    let members: Vec<Member> = manifest
        .members
        .iter()
        .zip(&wanted)
        .filter(|(member, wanted)| **wanted && (whole_file || !is_copy(member)))
        .map(|(member, _)| member.clone())
        .collect();
    if let Some(name) = rename {
        let mut units: Vec<&str> = members.iter().map(|m| m.unit.as_str()).collect();
        units.dedup();
        if units.len() != 1 {
            let hint = Some("Choose one with --only DB.".into());
            return Err(nothing(
                format!("--as {name} takes exactly one database, not {}", units.len()),
                hint,
            ));
        }
    }
    let staged = staged(manifest, &chosen);
    let server = manifest.head.server.clone();
    let (position, terms) = (manifest.head.position.clone(), Terms::default());
    let rename = rename.map(str::to_owned);
    let part = !only.iter().all(|selector| manifest.units().contains(&selector.as_str()));
    let (scratch, resume) = (false, false);
    let loading = Loading {
        members,
        rename,
        part,
        overwrite,
        scratch,
        resume,
        server,
        staged,
        position,
        terms,
        map_collation: Vec::new(),
    };
    Ok(Choice { loading, chosen })
}

/// Bytes of the chosen files of dump programs.
pub(super) fn staged(manifest: &Manifest, chosen: &[bool]) -> u64 {
    let own = manifest
        .entries
        .iter()
        .filter(|e| chosen[e.member] && is_archive(&manifest.members[e.member]));
    own.map(|e| e.raw).sum()
}

/// Whether a member is the file of a whole SQLite database, which stands beside its SQL.
fn is_copy(member: &Member) -> bool {
    member.kind == Kind::File && member.name.is_empty()
}

/// Whether a member is a file of a program of the database.
pub(super) fn is_archive(member: &Member) -> bool {
    member.kind == Kind::File && !member.name.is_empty()
}

/// Whether a member is a user or a role, or what one may do.
pub(super) fn is_about_account(member: &Member) -> bool {
    matches!(member.kind, Kind::Account | Kind::Grants)
}

/// Adds all accounts of the backup to what is restored.
pub fn with_accounts(manifest: &Manifest, choice: &mut Choice) -> Result<(), Fault> {
    let nothing = |found: &str, hint: &str| nothing(found.to_owned(), Some(hint.to_owned()));
    if choice.loading.rename.is_some() {
        return Err(nothing(
            "--accounts and --as together",
            "Grants name databases as they were: restore accounts by themselves.",
        ));
    }
    if !manifest.members.iter().any(is_about_account) {
        return Err(nothing(
            "the backup holds no accounts",
            "They are dumped with `accounts #true` in the source, of PostgreSQL with `globals #true`.",
        ));
    }
    for (index, member) in manifest.members.iter().enumerate().filter(|(_, m)| is_about_account(m))
    {
        choice.chosen[index] = true;
        choice.loading.members.push(member.clone());
    }
    Ok(())
}

/// Whether `DB`, `DB.TABLE`, `DB.SCHEMA` or `DB.SCHEMA.TABLE` names the member: a table brings its
/// rows, indexes and triggers, and its database.
fn selects(selector: &str, member: &Member) -> bool {
    if selector == member.unit {
        return true;
    }
    let Some(name) = selector.strip_prefix(&member.unit).and_then(|rest| rest.strip_prefix('.'))
    else {
        return false;
    };
    if let Some(schema) = &member.schema {
        let own = name.strip_prefix(schema.as_str()).and_then(|rest| rest.strip_prefix('.'));
        // What belongs to no table may be what a table needs: a type, a function. It is kept where
        // it exists.
        let context =
            member.kind == Kind::Object && member.table.is_none() && member.phase == Phase::Before;
        return name == schema
            || context
            || own.is_some_and(|n| member.table() == Some(n) || member.name == n);
    }
    match member.kind {
        Kind::Database => true,
        // A schema, an extension: what the chosen may need.
        Kind::Object if member.table.is_none() => member.phase == Phase::Before,
        Kind::Settings | Kind::File => false,
        _ => member.table() == Some(name) || member.name == name,
    }
}

/// What a restore came to.
#[derive(Debug, Default)]
pub struct Restored {
    /// What came back and what did not.
    pub outcome: Outcome,
    /// What the user should know besides.
    pub remarks: Vec<String>,
}

/// Refuses what exists, unless the choice overwrites it or goes on with it.
pub fn may_write(existing: &[String], choice: &Choice, place: &str) -> Result<(), Fault> {
    if existing.is_empty() || choice.loading.overwrite || choice.loading.resume {
        return Ok(());
    }
    let shown = existing.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if existing.len() > 5 {
        format!(" and {} more", existing.len() - 5)
    } else {
        String::new()
    };
    let error = SourceError::new(
        ErrorKind::Exists,
        format!("restore into {place}"),
        format!("{shown}{more} exist"),
    );
    Err(error.hint("Restore elsewhere, or replace exactly these with --overwrite.").into())
}

/// Restores into `source`; existing objects are refused unless the choice overwrites.
pub fn restore_into(
    fetch: &Fetch<'_>,
    source: &dyn Source,
    choice: &Choice,
    threads: usize,
    meter: &Meter,
    say: Option<&Say>,
    stop: &Stop,
) -> Result<Restored, Fault> {
    let target = source.target(threads, stop)?;
    target.agree(&choice.loading, stop)?;
    may_write(&target.existing(&choice.loading, stop)?, choice, source.place())?;
    let restore = Restore {
        fetch,
        target: target.as_ref(),
        loading: &choice.loading,
        chosen: &choice.chosen,
    };
    let outcome = match say {
        Some(say) => watched(meter, say, stop, &|| {}, |stop| pipeline::restore(&restore, stop))?,
        None => pipeline::restore(&restore, stop)?,
    };
    Ok(Restored { outcome, remarks: target.remarks() })
}
