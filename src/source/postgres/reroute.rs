//! Partitions whose rows may go elsewhere: what a hash says differs from server to server (of an
//! enum it is made of OIDs), so a row that its old partition refuses is given to the root.
//!
//! Beside them, tables of which a trigger of an extension or of the target left rows out.
//!
//! Pure but for the locks. Of a family of which one row was given to the root, all partitions are
//! recounted together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::artifact::{Kind, Member};

/// Unit, schema and name.
type Table = (String, Option<String>, String);

/// The families of what is restored.
#[derive(Debug, Default)]
pub struct Families {
    /// Guards the root of each partition.
    roots: Mutex<BTreeMap<Table, Member>>,
    /// Guards the titles of roots that were given rows.
    mixed: Mutex<BTreeSet<String>>,
    /// Guards the tables of which the server left rows out without a word.
    leaky: Mutex<BTreeSet<Table>>,
    /// Guards the tables whose rows are on another server.
    foreign: Mutex<BTreeSet<Table>>,
}

fn table(member: &Member) -> Table {
    (member.unit.clone(), member.schema.clone(), member.name.clone())
}

impl Families {
    /// Hears what is restored.
    pub fn expect(&self, members: &[Member]) {
        let tables: BTreeMap<String, &Member> =
            members.iter().filter(|m| m.kind == Kind::Table).map(|m| (m.title(), m)).collect();
        let parent = |m: &Member| m.parents().iter().find_map(|title| tables.get(title).copied());
        let mut roots = self.roots.lock().expect("no panic while locked");
        roots.clear();
        for own in tables.values() {
            // No table is its own ancestor; a manifest that says so ends nowhere.
            let line = std::iter::successors(parent(own), |m| parent(m)).take(tables.len());
            if let Some(root) = line.last() {
                roots.insert(table(own), root.clone());
            }
        }
    }

    /// Notes that the rows of a table are on another server.
    pub fn keep_none(&self, member: &Member) {
        self.foreign.lock().expect("no panic while locked").insert(table(member));
    }

    /// Whether they are.
    pub fn keeps_none(&self, member: &Member) -> bool {
        self.foreign.lock().expect("no panic while locked").contains(&table(member))
    }

    /// The table that a partition is of, at the top.
    pub fn root(&self, member: &Member) -> Option<Member> {
        self.roots.lock().expect("no panic while locked").get(&table(member)).cloned()
    }

    /// Notes that a root was given rows.
    pub fn mix(&self, root: &Member) {
        self.mixed.lock().expect("no panic while locked").insert(root.title());
    }

    /// Notes that the server took fewer rows than came, and kept those.
    pub fn leak(&self, member: &Member) {
        self.leaky.lock().expect("no panic while locked").insert(table(member));
    }

    /// Whether it did so.
    pub fn leaks(&self, member: &Member) -> bool {
        self.leaky.lock().expect("no panic while locked").contains(&table(member))
    }

    /// The root that a member is recounted with, if its partitions may hold each other's rows.
    pub fn mixed(&self, member: &Member) -> Option<String> {
        let title = self.root(member)?.title();
        self.mixed.lock().expect("no panic while locked").contains(&title).then_some(title)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Phase;

    #[test]
    fn a_partition_of_a_partition_belongs_to_the_root() {
        let new = |name: &str| Member::new("d", name, Kind::Table, Phase::Before).in_schema("s");
        let families = Families::default();
        families.expect(&[
            new("root"),
            new("middle").of_table("root"),
            new("leaf").of_table("s.middle"),
            new("ring").of_table("ring"),
            new("alone").of_table("elsewhere"),
        ]);
        let rows = |name: &str| Member::new("d", name, Kind::Rows, Phase::Data).in_schema("s");
        for name in ["middle", "leaf"] {
            assert_eq!(families.root(&rows(name)).map(|m| m.name), Some("root".into()), "{name}");
        }
        assert_eq!(families.root(&rows("root")), None);
        assert_eq!(families.root(&rows("alone")), None);
        assert_eq!(families.mixed(&rows("leaf")), None);
        families.mix(&new("root"));
        assert_eq!(families.mixed(&rows("leaf")).as_deref(), Some("d.s.root"));
    }
}
