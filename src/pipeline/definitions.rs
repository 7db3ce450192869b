//! Definitions, read back from the target and compared with those of the backup.
//!
//! Knows a target, not which server it is. A definition with the hash that the index has needs no
//! second look; of the others the entry is read again, and the target says what it means. What was
//! refused is listed already, and what has no hash (formats 1 to 3) is not compared.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::artifact::{Damage, EntryLine, Kind, Member, Phase, definition};
use crate::base::Stop;
use crate::pipeline::fetch::Fetch;
use crate::pipeline::refusals::{Refusals, what};
use crate::pipeline::stage::Error;
use crate::source::contract::{Load, Loading, Target, is_refusal};

/// A restore whose definitions are compared.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// Where entries come from.
    pub fetch: &'a Fetch<'a>,
    /// Where they went.
    pub target: &'a dyn Target,
    /// What was loaded.
    pub loading: &'a Loading,
    /// Whether a member is chosen, by its index.
    pub chosen: &'a [bool],
}

/// What the definitions came to.
#[derive(Debug, Default)]
pub struct Defined {
    /// Objects that are another thing now.
    pub damage: Vec<Damage>,
    /// Objects that the server only writes otherwise, and what could not be compared.
    pub noted: Vec<String>,
}

/// Compares the definitions of the chosen members that `wanted` takes.
pub fn compare(
    restore: Comparison<'_>,
    refusals: &Refusals<'_>,
    wanted: &dyn Fn(&Member) -> bool,
    stop: &Stop,
) -> Result<Defined, Error> {
    let manifest = restore.fetch.manifest;
    let chosen: HashSet<&Member> = restore.loading.members.iter().collect();
    let mut units: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, member) in manifest.members.iter().enumerate() {
        let has_hash = manifest.sums.get(index).is_some_and(|sum| sum.definition.is_some());
        // Before the rows, a view is a placeholder.
        let is_last = member.kind != Kind::View || member.phase != Phase::Before;
        let takes = has_hash && is_last && chosen.contains(member) && wanted(member);
        if takes && restore.chosen[index] && !refusals.has(index) {
            units.entry(&member.unit).or_default().push(index);
        }
    }
    let mut defined = Defined::default();
    for (unit, indexes) in units {
        let members: Vec<Member> = indexes.iter().map(|i| manifest.members[*i].clone()).collect();
        match restore.target.definitions(&members, stop) {
            Ok(now) => of_unit(restore, &indexes, now, &mut defined, stop)?,
            Err(error) if is_refusal(error.kind) => defined
                .noted
                .push(format!("the definitions of {unit} could not be read back: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(defined)
}

fn of_unit(
    restore: Comparison<'_>,
    indexes: &[usize],
    now: Vec<(Member, Vec<u8>)>,
    defined: &mut Defined,
    stop: &Stop,
) -> Result<(), Error> {
    let manifest = restore.fetch.manifest;
    let now: HashMap<Member, Vec<u8>> = now.into_iter().collect();
    let mut differs: BTreeMap<usize, &Vec<u8>> = BTreeMap::new();
    for index in indexes {
        let member = &manifest.members[*index];
        let Some(text) = now.get(member) else { continue };
        if definition(member.kind, text) != manifest.sums[*index].definition {
            differs.insert(*index, text);
        }
    }
    let of = |entry: &&EntryLine| differs.contains_key(&entry.member);
    let entries: Vec<&EntryLine> = manifest.entries.iter().filter(of).collect();
    let (mut others, mut first) = (0_usize, None);
    for group in restore.fetch.groups(&entries) {
        restore.fetch.group(&group, stop, &mut |entry, opened| {
            let member = &manifest.members[entry.member];
            let load = Load { member, offset: 0, bytes: &opened.bytes };
            let changes = restore.target.changes(load, differs[&entry.member]);
            let grave: Vec<&str> =
                changes.iter().filter(|c| c.grave).map(|c| c.found.as_str()).collect();
            if !grave.is_empty() {
                let found = grave.join("; ");
                defined.damage.push(Damage::Defined { what: what(member), found });
            } else if let Some(change) = changes.first() {
                others += 1;
                first.get_or_insert_with(|| format!("{}: {}", what(member), change.found));
            }
            Ok(())
        })?;
    }
    if let Some(first) = first {
        defined.noted.push(format!(
            "this server writes {others} definitions otherwise than that of the backup, such as {first}"
        ));
    }
    Ok(())
}
