//! Chooses parts of what a dump program wrote as one archive: its own table of contents says what
//! it holds.
//!
//! Reads the beginning of an archive and no more, and writes nothing: what an archive does not hold
//! is found out before a target is touched.

use std::collections::HashSet;

use crate::artifact::{EntryLine, Kind, Manifest, Member};
use crate::base::Stop;
use crate::pipeline::Fetch;
use crate::recover::choice::{Choice, Names, choose, is_archive, nothing, staged};
use crate::recover::fault::Fault;
use crate::source::{Contents, Unread};

/// Chooses members as `choose` does, and those that stand in archives only.
pub fn choose_from(
    fetch: &Fetch<'_>,
    names: Names<'_>,
    rename: Option<&str>,
    overwrite: bool,
    stop: &Stop,
) -> Result<Choice, Fault> {
    let manifest = fetch.manifest;
    let units = opened(manifest, names.only)?;
    if units.is_empty() {
        return choose(manifest, names, rename, overwrite);
    }
    // The manifest as it would be if each definition were a member.
    let mut listed = Manifest { entries: Vec::new(), ..manifest.clone() };
    listed.members.retain(|m| m.kind == Kind::Database || !units.contains(&m.unit.as_str()));
    let mut all = Vec::new();
    for unit in units {
        let contents = read(fetch, unit, stop)?;
        listed.members.extend(contents.members().cloned());
        all.push((unit, contents));
    }
    let mut choice = choose(&listed, names, rename, overwrite)?;
    let own = |m: &&Member| is_archive(m);
    let needed = |m: &&Member| {
        let contents = all.iter().find(|(unit, _)| *unit == m.unit).map(|(_, contents)| contents);
        contents.is_some_and(|c| c.needs(&m.name, &choice.loading.members))
    };
    let files: Vec<_> = manifest.members.iter().filter(own).filter(needed).cloned().collect();
    choice.loading.members.extend(files);
    let chosen: HashSet<&Member> = choice.loading.members.iter().collect();
    choice.chosen = manifest.members.iter().map(|m| chosen.contains(m)).collect();
    choice.loading.staged = staged(manifest, &choice.chosen);
    Ok(choice)
}

/// The units whose archive must be opened: something in it is asked for, and not the whole of it.
fn opened<'a>(manifest: &'a Manifest, only: &[String]) -> Result<Vec<&'a str>, Fault> {
    let units = manifest.units();
    let archived = |unit: &str| manifest.members.iter().any(|m| m.unit == unit && is_archive(m));
    let (whole, parts): (Vec<&String>, Vec<&String>) =
        only.iter().partition(|s| units.contains(&s.as_str()));
    let within = |unit: &str| {
        parts.iter().any(|s| s.strip_prefix(unit).is_some_and(|rest| rest.starts_with('.')))
    };
    let found: Vec<&str> =
        units.iter().copied().filter(|unit| archived(unit) && within(unit)).collect();
    match (found.first(), whole.first()) {
        (Some(part), Some(whole)) => Err(nothing(
            format!("all of {whole}, and a part of {part}, which is one archive"),
            Some("Restore them one after another.".into()),
        )),
        (Some(_), None) | (None, _) => Ok(found),
    }
}

/// Reads the table of contents of a unit's archive.
fn read(fetch: &Fetch<'_>, unit: &str, stop: &Stop) -> Result<Contents, Fault> {
    let manifest = fetch.manifest;
    let holds = |e: &&EntryLine| {
        let member = &manifest.members[e.member];
        member.unit == unit && is_archive(member) && Contents::is_in(&member.name)
    };
    let mut entries: Vec<&EntryLine> = manifest.entries.iter().filter(holds).collect();
    entries.sort_by_key(|e| e.number);
    let mut bytes = Vec::new();
    let mut unread = Unread { why: "it holds no table of contents".into(), more: true };
    for entry in entries {
        fetch.group(&[entry], stop, &mut |_, opened| {
            bytes.extend_from_slice(&opened.bytes);
            Ok(())
        })?;
        match Contents::parse(unit, &bytes) {
            Ok(contents) => return Ok(contents),
            Err(why) => unread = why,
        }
        if !unread.more || bytes.len() > Contents::LONGEST {
            break;
        }
    }
    let hint =
        format!("Choose all of it with --only {unit}, and into another server or name if need be.");
    Err(nothing(format!("the archive of {unit} is not understood: {}", unread.why), Some(hint)))
}
