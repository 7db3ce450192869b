//! What changed between two backups of a source, from what their heads and members say alone.
//!
//! Pure: it reads no row. Invariant: what has no digest is never called equal.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lang::Lang;
use crate::view::format::{NONE, size};

/// What one backup says of one thing in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its definition, hashed.
    pub definition: Option<String>,
    /// How many rows it has, and their digest.
    pub rows: Option<(u64, String)>,
    /// Bytes before compression.
    pub raw: u64,
}

/// All things of a backup, by kind and name.
pub type Inventory = BTreeMap<(String, String), Seen>;

/// How something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// It came.
    Came,
    /// It is gone.
    Went,
    /// It is defined in another way.
    Definition,
    /// It has other rows.
    Rows,
}

/// A change, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Version of these fields.
    pub version: u32,
    /// How.
    pub change: Changed,
    /// What it is: `table`, `view`, `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Rows in the earlier backup.
    pub rows_before: Option<u64>,
    /// Rows in the later backup.
    pub rows_after: Option<u64>,
    /// Bytes in the earlier backup, before compression.
    pub raw_before: u64,
    /// Bytes in the later backup, before compression.
    pub raw_after: u64,
}

/// What changed from one to the other, in the order of kinds and names.
pub fn differences(before: &Inventory, after: &Inventory) -> Vec<Difference> {
    let mut names: Vec<&(String, String)> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let none = Seen::default();
    let mut all = Vec::new();
    for own in names {
        let (old, new) = (before.get(own), after.get(own));
        let (was, is) = (old.unwrap_or(&none), new.unwrap_or(&none));
        let told = |change| Difference {
            version: 1,
            change,
            kind: own.0.clone(),
            name: own.1.clone(),
            rows_before: was.rows.as_ref().map(|(rows, _)| *rows),
            rows_after: is.rows.as_ref().map(|(rows, _)| *rows),
            raw_before: was.raw,
            raw_after: is.raw,
        };
        match (old, new) {
            (None, _) => all.push(told(Changed::Came)),
            (_, None) => all.push(told(Changed::Went)),
            (Some(_), Some(_)) => {
                if was.definition != is.definition {
                    all.push(told(Changed::Definition));
                }
                if was.rows != is.rows {
                    all.push(told(Changed::Rows));
                }
            }
        }
    }
    all
}

impl Difference {
    /// The heads of its cells.
    pub fn heads(lang: Lang) -> Vec<String> {
        let keys = ["change", "kind", "name", "rows", "growth", "size"];
        keys.iter().map(|key| lang.say(&format!("diff-head-{key}"), &[])).collect()
    }

    /// Its cells, as a person reads them.
    pub fn cells(&self, lang: Lang) -> Vec<String> {
        let key = match self.change {
            Changed::Came => "diff-came",
            Changed::Went => "diff-went",
            Changed::Definition => "diff-definition",
            Changed::Rows => "diff-rows",
        };
        let number = |rows: Option<u64>| rows.map_or_else(|| NONE.to_owned(), |n| n.to_string());
        let rows = match (self.rows_before, self.rows_after) {
            (None, None) => NONE.to_owned(),
            (before, after) => format!("{} → {}", number(before), number(after)),
        };
        let growth = match (self.rows_before, self.rows_after) {
            (Some(before), Some(after)) => format!("{:+}", i128::from(after) - i128::from(before)),
            _ => NONE.to_owned(),
        };
        let bytes = format!("{} → {}", size(self.raw_before), size(self.raw_after));
        let (kind, name) = (self.kind.clone(), self.name.clone());
        vec![lang.say(key, &[]), kind, name, rows, growth, bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_change_is_told_once_and_what_is_equal_is_not() {
        let seen = |definition: &str, rows: u64, digest: &str| Seen {
            definition: Some(definition.to_owned()),
            rows: Some((rows, digest.to_owned())),
            raw: rows * 10,
        };
        let named = |name: &str, seen| (("table".to_owned(), name.to_owned()), seen);
        let before = Inventory::from([
            named("same", seen("d", 1, "x")),
            named("went", seen("d", 1, "x")),
            named("grew", seen("d", 1, "x")),
            named("edited", seen("d", 1, "x")),
            named("altered", seen("d", 1, "x")),
        ]);
        let after = Inventory::from([
            named("same", seen("d", 1, "x")),
            named("came", seen("d", 7, "x")),
            named("grew", seen("d", 3, "y")),
            named("edited", seen("d", 1, "y")),
            named("altered", seen("e", 1, "x")),
        ]);
        let found = differences(&before, &after);
        let told: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.change)).collect();
        let expected = [
            ("altered", Changed::Definition),
            ("came", Changed::Came),
            ("edited", Changed::Rows),
            ("grew", Changed::Rows),
            ("went", Changed::Went),
        ];
        assert_eq!(told, expected);
        let grew = &found[3];
        assert_eq!(grew.cells(Lang::En)[3..5], ["1 → 3".to_owned(), "+2".to_owned()]);
    }
}
