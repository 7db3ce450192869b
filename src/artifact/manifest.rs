//! A manifest in memory: the head of an artifact, its members, and the lines of those entries that
//! somebody asked for.
//!
//! Pure. Does not know where the lines come from: the index of format 4 (`index.rs`), the one
//! document of formats 1 to 3 (`legacy.rs`), or the container itself.

use crate::artifact::head::Head;
use crate::artifact::index::{ContentsLine, EntryLine, MemberSum};
use crate::artifact::member::{Kind, Member, Phase};
use crate::artifact::proof::{self, Proof};
use crate::base::Id;

/// What an artifact holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub head: Head,
    /// What it holds, in restore order.
    pub members: Vec<Member>,
    /// The sums of each member.
    pub sums: Vec<MemberSum>,
    /// The entries that were asked for, in the order of the container.
    pub entries: Vec<EntryLine>,
    /// The entries between them that hold lines of the index.
    pub contents: Vec<ContentsLine>,
}

impl Manifest {
    /// A manifest of which only the head is known.
    pub fn of(head: Head) -> Manifest {
        Manifest {
            head,
            members: Vec::new(),
            sums: Vec::new(),
            entries: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// Checks what is only true where all entries are there: names, sums, and that they follow each
    /// other without gaps.
    pub fn check_all(&self) -> Result<(), String> {
        if Id::parse(self.head.id.as_str()).is_none() {
            return Err("its ID has another form".into());
        }
        if self.head.digest != proof::ALGORITHM {
            let digest = self.head.digest.escape_debug();
            return Err(format!("its digests are by {digest}, which this vex does not know"));
        }
        let phases: Vec<Phase> = self.members.iter().map(|m| m.phase).collect();
        if !phases.is_sorted() {
            return Err("its members are not in restore order".into());
        }
        let mut names = std::collections::HashSet::with_capacity(self.entries.len());
        let mut sums = vec![Proof::default(); self.members.len()];
        for entry in &self.entries {
            entry.check(self.members.len())?;
            if !names.insert(entry.name.as_str()) {
                return Err(format!("two entries are called {}", entry.name.escape_debug()));
            }
            sums[entry.member] += entry.rows.unwrap_or_default();
        }
        follows(&self.entries, &self.contents, 0)?;
        let differs = self
            .sums
            .iter()
            .zip(&sums)
            .position(|(sum, own)| sum.proof.is_some_and(|proof| proof != *own));
        match differs {
            Some(member) => Err(format!(
                "the rows of the entries of {} are not those of the table",
                self.members[member].title().escape_debug()
            )),
            None => Ok(()),
        }
    }

    /// Whether every entry of the chosen members is here, where only those of some were read.
    pub fn holds(&self, chosen: &[bool]) -> Result<(), String> {
        let mut counts = vec![0; self.members.len()];
        self.entries.iter().for_each(|e| counts[e.member] += 1);
        let all = self.sums.iter().zip(&counts).zip(chosen).enumerate();
        match all.filter(|(_, (_, chosen))| **chosen).find(|(_, ((s, n), _))| s.entries != **n) {
            None => Ok(()),
            Some((member, ((sum, count), _))) => Err(format!(
                "{count} of {} entries of {} are known",
                sum.entries,
                self.members[member].title().escape_debug()
            )),
        }
    }

    /// All rows and digests, by member.
    pub fn proofs(&self) -> Vec<(usize, Proof)> {
        let all = self.sums.iter().enumerate();
        all.filter_map(|(index, sum)| Some((index, sum.proof?)))
            .filter(|(index, _)| self.members[*index].kind == Kind::Rows)
            .collect()
    }

    /// The names of its units, in order.
    pub fn units(&self) -> Vec<&str> {
        let mut units: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for member in &self.members {
            if !member.unit.is_empty() && seen.insert(member.unit.as_str()) {
                units.push(&member.unit);
            }
        }
        units
    }
}

/// Whether entries, and those of the index between them, follow each other from `from` on; returns
/// where the last one ends.
pub fn follows(entries: &[EntryLine], contents: &[ContentsLine], from: u64) -> Result<u64, String> {
    let mut end = from;
    let mut between = contents.iter().peekable();
    let mut skip = |end: &mut u64| -> Result<(), String> {
        while let Some(own) = between.next_if(|c| c.offset == *end) {
            *end = own.offset.checked_add(own.stored).ok_or("an entry ends past all numbers")?;
        }
        Ok(())
    };
    for entry in entries {
        skip(&mut end)?;
        if entry.offset != end {
            let name = entry.name.escape_debug();
            return Err(format!("entry {name} does not follow the one before it"));
        }
        end = entry.offset.checked_add(entry.stored).ok_or("an entry ends past all numbers")?;
    }
    skip(&mut end)?;
    match between.next() {
        Some(own) => Err(format!("{} does not follow an entry", own.contents.escape_debug())),
        None => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use crate::artifact::legacy::parse;

    #[test]
    fn an_entry_that_is_not_known_is_missed_where_its_member_is_chosen() {
        let text = include_bytes!(
            "../../tests/frozen/v1-mariadb/store/nightly/db/backup_20261129_055829.zip.manifest.json"
        );
        let mut manifest = parse(text).expect("a manifest of format 1");
        let all = vec![true; manifest.members.len()];
        assert_eq!(manifest.holds(&all), Ok(()));
        let lost = manifest.entries.remove(0);
        let found = manifest.holds(&all).expect_err("one is missing");
        assert!(found.starts_with("0 of 1 entries of "), "{found}");
        let others: Vec<bool> = (0..all.len()).map(|member| member != lost.member).collect();
        assert_eq!(manifest.holds(&others), Ok(()));
    }
}
