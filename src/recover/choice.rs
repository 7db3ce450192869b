//! What of an artifact is restored: all of it, or what `--only` and `--except` leave.
//!
//! Pure. A partition comes with its table, an account only when it is asked for.

use std::collections::{BTreeSet, HashSet};

use crate::artifact::{Kind, Manifest, Member, Proof};
use crate::base::suggest;
use crate::pipeline;
use crate::recover::fault::Fault;
use crate::recover::selector::{excepts, selects};
use crate::source::contract::{Loading, Terms};

/// What is chosen by name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'a> {
    /// What is restored; all where nothing is named.
    pub only: &'a [String],
    /// What is left out.
    pub except: &'a [String],
}

impl<'a> Names<'a> {
    /// What is restored, and nothing left out.
    pub fn only(only: &'a [String]) -> Names<'a> {
        Names { only, except: &[] }
    }

    /// Whether nothing is named: all is restored.
    pub fn is_all(self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }
}

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

    /// The same where one thing is made in two steps, and counts once.
    pub fn titles(&self, kind: Kind) -> usize {
        let own = self.loading.members.iter().filter(|m| m.kind == kind);
        own.map(Member::title).collect::<HashSet<_>>().len()
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

/// A name that nothing in the backup has.
fn unknown(manifest: &Manifest, selector: &str) -> Fault {
    let mut titles: Vec<String> = manifest.members.iter().map(Member::title).collect();
    titles.dedup();
    let near =
        suggest(selector, titles.iter().map(String::as_str)).map(|n| format!("Did you mean {n}?"));
    let units = format!("The backup holds the databases {}.", manifest.units().join(", "));
    nothing(format!("{selector} is not in the backup"), near.or(Some(units)))
}

/// Which members are meant: all, or those that are named; never accounts.
pub(super) fn wanted(manifest: &Manifest, names: Names<'_>) -> Result<Vec<bool>, Fault> {
    let mut wanted = vec![names.only.is_empty(); manifest.members.len()];
    for selector in names.only {
        let mut any = false;
        for (index, member) in manifest.members.iter().enumerate() {
            if selects(selector, member) {
                any |= !matches!(member.kind, Kind::Database | Kind::Object)
                    || *selector == member.unit
                    || excepts(selector, member);
                wanted[index] = true;
            }
        }
        if !any {
            return Err(unknown(manifest, selector));
        }
    }
    with_partitions(manifest, &mut wanted);
    // Accounts come back only when they are asked for.
    for (wanted, _) in wanted.iter_mut().zip(&manifest.members).filter(|(_, m)| is_about_account(m))
    {
        *wanted = false;
    }
    leave_out(manifest, names.except, &mut wanted)?;
    if !names.except.is_empty() && !wanted.contains(&true) {
        let hint = Some("Leave out less, or restore nothing.".into());
        return Err(nothing("--except leaves nothing of the backup".into(), hint));
    }
    no_part_of_script(manifest, &wanted)?;
    Ok(wanted)
}

/// Takes away what is left out by name.
fn leave_out(manifest: &Manifest, except: &[String], wanted: &mut [bool]) -> Result<(), Fault> {
    for selector in except {
        let mut any = false;
        for (wanted, member) in wanted.iter_mut().zip(&manifest.members) {
            if excepts(selector, member) {
                any = true;
                *wanted = false;
            }
        }
        if !any {
            return Err(unknown(manifest, selector));
        }
    }
    Ok(())
}

/// Refuses a table alone of what a program wrote as one script or archive.
fn no_part_of_script(manifest: &Manifest, wanted: &[bool]) -> Result<(), Fault> {
    // A program that writes a database as one script gives no table of it alone; nor does an
    // archive that nobody opened.
    let whole = |m: &Member| m.table.is_none() && (m.kind == Kind::Script || is_archive(m));
    let scripts: Vec<&str> = manifest
        .members
        .iter()
        .zip(wanted)
        .filter(|(m, wanted)| whole(m) && !**wanted)
        .map(|(m, _)| m.unit.as_str())
        .collect();
    let mut tables =
        manifest.members.iter().zip(wanted).filter(|(m, wanted)| m.kind == Kind::Table && **wanted);
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
    Ok(())
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

/// Chooses members: all, or those that are named.
pub fn choose(
    manifest: &Manifest,
    names: Names<'_>,
    rename: Option<&str>,
    overwrite: bool,
) -> Result<Choice, Fault> {
    let wanted = wanted(manifest, names)?;
    let whole_file = names.is_all() && manifest.members.iter().any(is_copy);
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
        // What belongs to the whole server is in no database.
        let units: BTreeSet<&str> =
            members.iter().map(|m| m.unit.as_str()).filter(|unit| !unit.is_empty()).collect();
        if units.len() != 1 {
            let hint = Some("Choose one with --only DB.".into());
            let all: Vec<&str> = units.into_iter().collect();
            let found = format!(
                "--as {name} takes exactly one database, not {}: {}",
                all.len(),
                all.join(", ")
            );
            return Err(nothing(found, hint));
        }
    }
    let staged = staged(manifest, &chosen);
    let server = manifest.head.server.clone();
    let (position, terms) = (manifest.head.position.clone(), Terms::default());
    let rename = rename.map(str::to_owned);
    let is_unit = |selector: &String| manifest.units().contains(&selector.as_str());
    let part = !names.only.iter().chain(names.except).all(is_unit);
    let (scratch, resume) = (false, false);
    let loading = Loading {
        backup: manifest.head.id.to_string(),
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
