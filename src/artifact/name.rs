//! The names of artifacts and where they rest:
//! `{prefix}/{job}/{source}/backup_YYYYMMDD_HHMMSS.zip`, and with `{date}` a folder
//! `YYYY-MM-DD_HH-MM` before the name.
//!
//! Pure. Invariant: [`Naming::owns`] accepts exactly the keys that [`Naming::key`] can make, and
//! their sidecars; only such keys are ever deleted. No name of a database or table gets into a key,
//! and an entry's name is made of safe characters only, so that no name ever becomes a path.

use std::collections::{HashMap, HashSet};

use jiff::Zoned;

use crate::artifact::index::INDEX;
use crate::artifact::member::{Kind, Member};
use crate::artifact::signature::SIGNATURE;

/// Suffix of the manifest beside an artifact.
pub const MANIFEST: &str = ".manifest.json";

/// What is added to the key of a container that was begun.
const BEGUN: &str = ".begun";

/// What an object of an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The content.
    Container,
    /// What it is: without it there is no artifact.
    Head,
    /// What it holds.
    Index,
    /// Who answers for what it is.
    Signature,
    /// What a verification found.
    Proof,
    /// A run began it.
    Begun,
}

/// The template where none is given.
pub const TEMPLATE: &str = "{prefix}/{job}/{source}/{name}";

/// The part of a template that is a folder for each date.
const DATE: &str = "{date}/";

/// What the names of artifacts end in that are one container, and of those that are pieces.
const NAMES: [&str; 2] = [".zip", PIECES_NAME];

/// What the name of an artifact ends in that is pieces.
pub const PIECES_NAME: &str = ".rman";

/// Length of a name without its end.
const STEM: usize = 22;

/// Length of that folder, with its `/`.
const DATE_BYTES: usize = 17;

/// How the artifacts of one chain are named in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    folder: String,
    /// Whether each artifact lies in a folder of its date.
    dated: bool,
}

impl Naming {
    /// Resolves a template; it ends in `{name}` or `{date}/{name}`.
    pub fn new(template: &str, prefix: &str, job: &str, source: &str) -> Naming {
        let folder = template.trim_end_matches("{name}");
        let dated = folder.ends_with(DATE);
        let folder = folder.strip_suffix(DATE).unwrap_or(folder).replace("{prefix}", prefix);
        let folder = folder.replace("{job}", job).replace("{source}", source);
        let folder = folder.trim_matches('/');
        Naming {
            folder: if folder.is_empty() { String::new() } else { format!("{folder}/") },
            dated,
        }
    }

    /// The naming that made `key`: its folder, and whether the last of it is a date.
    pub fn of_key(key: &str) -> Naming {
        let (folder, name) =
            key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
        let parent =
            folder.strip_suffix(date(name).trim_end_matches('/')).filter(|_| is_backup_name(name));
        match parent.filter(|parent| parent.is_empty() || parent.ends_with('/')) {
            Some(parent) => Naming { folder: parent.to_owned(), dated: true },
            None if folder.is_empty() => Naming { folder: String::new(), dated: false },
            None => Naming { folder: format!("{folder}/"), dated: false },
        }
    }

    /// The folder of all its artifacts: empty, or ending in `/`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The key of the artifact called `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}{}{name}", self.folder, if self.dated { date(name) } else { String::new() })
    }

    /// The key as a plan shows it, where the name is not known yet: `shop/YYYY-MM-DD_HH-MM/backup_….zip`.
    pub fn shown(&self, name: &str) -> String {
        format!("{}{}{name}", self.folder, if self.dated { "YYYY-MM-DD_HH-MM/" } else { "" })
    }

    /// The container that `key` is or belongs to, and what it is of it; `None` for what this naming
    /// does not own.
    pub fn part<'k>(&self, key: &'k str) -> Option<(&'k str, Part)> {
        let mut name = key.strip_prefix(&self.folder)?;
        if self.dated {
            let (folder, rest) = name.split_at_checked(DATE_BYTES)?;
            if folder != date(rest) {
                return None;
            }
            name = rest;
        }
        let (_, rest) = name.split_at_checked(name_length(name)?)?;
        let part = match rest {
            "" => Part::Container,
            MANIFEST => Part::Head,
            INDEX => Part::Index,
            SIGNATURE => Part::Signature,
            _ if is_proof_suffix(rest) => Part::Proof,
            _ if is_begun_suffix(rest) => Part::Begun,
            _ => return None,
        };
        Some((&key[..key.len() - rest.len()], part))
    }

    /// Whether `key` is an artifact of this naming, or something that vex writes beside one.
    pub fn owns(&self, key: &str) -> bool {
        self.part(key).is_some()
    }
}

/// The folder of the date in a name: `YYYY-MM-DD_HH-MM/`; empty for a name of another form.
fn date(name: &str) -> String {
    match name_length(name).and_then(|length| name.get(..length)) {
        Some(s) => {
            format!("{}-{}-{}_{}-{}/", &s[7..11], &s[11..13], &s[13..15], &s[16..18], &s[18..20])
        }
        None => String::new(),
    }
}

/// The name of an artifact that is made now: `backup_YYYYMMDD_HHMMSS.zip`, 26 characters.
pub fn backup_name(now: &Zoned) -> String {
    now.strftime("backup_%Y%m%d_%H%M%S.zip").to_string()
}

/// The name of an artifact of pieces that is made now: `backup_YYYYMMDD_HHMMSS.rman`.
pub fn pieces_name(now: &Zoned) -> String {
    format!("{}{PIECES_NAME}", now.strftime("backup_%Y%m%d_%H%M%S"))
}

/// Whether a name has one of these forms.
pub fn is_backup_name(name: &str) -> bool {
    name_length(name) == Some(name.len())
}

/// Length of the name of an artifact that a text begins with.
fn name_length(text: &str) -> Option<usize> {
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (stem, rest) = text.split_at_checked(STEM)?;
    let is_stem = stem.is_ascii()
        && stem.starts_with("backup_")
        && digits(&stem[7..15])
        && &stem[15..16] == "_"
        && digits(&stem[16..22]);
    let end = NAMES.iter().find(|end| rest.starts_with(**end)).filter(|_| is_stem)?;
    Some(STEM + end.len())
}

/// The key of a proof: `<key>.proof-<UTC>.json`, UTC to the microsecond.
pub fn proof_key(key: &str, now: jiff::Timestamp) -> String {
    format!("{key}.proof-{}.json", now.strftime("%Y%m%dT%H%M%S%6fZ"))
}

/// Whether `key` is a proof of the artifact at `artifact`.
pub fn is_proof_of(key: &str, artifact: &str) -> bool {
    key.strip_prefix(artifact).is_some_and(is_proof_suffix)
}

fn is_proof_suffix(rest: &str) -> bool {
    rest.strip_prefix(".proof-").and_then(|r| r.strip_suffix(".json")).is_some_and(is_moment)
}

/// The key of the marker of a container that was begun; `since` of one that was written anew.
pub fn begun_key(key: &str, since: Option<jiff::Timestamp>) -> String {
    match since {
        None => format!("{key}{BEGUN}"),
        Some(at) => format!("{key}{BEGUN}-{}", at.strftime("%Y%m%dT%H%M%S%6fZ")),
    }
}

fn is_begun_suffix(rest: &str) -> bool {
    rest == BEGUN || rest.strip_prefix(".begun-").is_some_and(is_moment)
}

/// Whether a text is a moment in a key: UTC to the microsecond.
fn is_moment(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|b| b.is_ascii_digit() || b == b'T' || b == b'Z')
}

/// The names of entries: no two are equal, so that an archive unpacked to a disk loses nothing.
#[derive(Debug)]
pub struct EntryNames {
    /// Of each member: what stands before its number, and what after.
    parts: Vec<(String, &'static str)>,
}

impl EntryNames {
    /// The names of the entries of these members.
    pub fn new(members: &[Member]) -> EntryNames {
        let (mut units, mut used) = (HashMap::new(), HashSet::new());
        let name = |(index, member): (usize, &Member)| {
            let unit = units
                .entry(member.unit.clone())
                .or_insert_with(|| entry_part(&member.unit, index))
                .clone();
            let part = match &member.schema {
                Some(schema) => {
                    format!("{}.{}", entry_part(schema, index), entry_part(&member.name, index))
                }
                None => entry_part(&member.name, index),
            };
            let (mut stem, suffix) = match member.kind {
                Kind::File if member.name.is_empty() => (format!("{unit}/file"), ".sqlite"),
                // The name is that of the file: `base.tar`.
                Kind::File if member.name.starts_with('.') => (format!("{unit}/{part}"), ".part"),
                Kind::File => (format!("{unit}/{}", part.replace("%2E", ".")), ".part"),
                Kind::Rows => (format!("{unit}/{part}"), ".rows"),
                // The name is that of the program's file: its own numbers tell its files apart.
                Kind::Script if member.name.starts_with('.') => (format!("{unit}/{part}"), ".sql"),
                Kind::Script => (format!("{unit}/{}", part.replace("%2E", ".")), ".sql"),
                Kind::Object => (format!("{unit}/{}", part.replace("%20", "-")), ".sql"),
                Kind::Database | Kind::Settings => {
                    (format!("{unit}/{}", member.kind.word()), ".sql")
                }
                // Not `.sql`: whoever feeds all SQL to a client brings back databases, not
                // passwords.
                Kind::Account => (format!("accounts/{part}"), ".account"),
                Kind::Grants => (format!("accounts/{part}"), ".grants"),
                kind => (format!("{unit}/{part}.{}", kind.word().replace(' ', "-")), ".sql"),
            };
            if !used.insert((stem.clone(), suffix)) {
                stem += &format!("~{index}");
            }
            (stem, suffix)
        };
        EntryNames { parts: members.iter().enumerate().map(name).collect() }
    }

    /// The name of an entry by its member and its number among the entries of that member.
    pub fn name(&self, member: usize, number: u32) -> String {
        match &self.parts[member] {
            (stem, ".rows") => format!("{stem}.{number:05}.sql"),
            (stem, ".sqlite") => format!("{stem}.{number:05}.sqlite"),
            (stem, ".part") => format!("{stem}.{number:05}"),
            // A script is one entry; more of them would still be told apart.
            (stem, suffix) if number == 0 => format!("{stem}{suffix}"),
            (stem, suffix) => format!("{stem}.{number:05}{suffix}"),
        }
    }
}

/// A name as part of an entry's name: letters, digits, `_`, `-`; the rest as `%XX`; long ones cut,
/// told apart by number.
///
/// Upper case letters stay, so two names that differ in case only are told apart by `number` as
/// well.
fn entry_part(name: &str, number: usize) -> String {
    let mut out = String::with_capacity(name.len());
    let mut exact = true;
    for byte in name.bytes() {
        if out.len() > 96 {
            exact = false;
            break;
        }
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            b'A'..=b'Z' => {
                exact = false;
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    if exact && !out.is_empty() { out } else { format!("{out}~{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_naming_owns_its_keys_and_no_others() {
        let naming = Naming::new(TEMPLATE, "prod", "nightly", "db1");
        let key = naming.key("backup_20261120_010000.zip");
        assert_eq!(key, "prod/nightly/db1/backup_20261120_010000.zip");
        let proof = proof_key(&key, jiff::Timestamp::UNIX_EPOCH);
        assert!(is_proof_of(&proof, &key) && naming.owns(&proof));
        assert!(naming.owns(&key) && naming.owns(&format!("{key}{MANIFEST}")));
        for (own, part) in [
            (format!("{key}{INDEX}"), Part::Index),
            (begun_key(&key, None), Part::Begun),
            (begun_key(&key, Some(jiff::Timestamp::UNIX_EPOCH)), Part::Begun),
        ] {
            assert_eq!(naming.part(&own), Some((key.as_str(), part)));
        }
        for foreign in [
            "prod/nightly/db10/backup_20261120_010000.zip",
            "prod/nightly/db1/backup_20261120_010000.zip.bak",
            "prod/nightly/db1/x/backup_20261120_010000.zip",
            "prod/nightly/db1/other.zip",
            "backup_20261120_010000.zip",
            "prod/nightly/db1/",
        ] {
            assert!(!naming.owns(foreign), "{foreign}");
        }
        assert_eq!(Naming::new("{prefix}/{name}", "", "j", "s").key("x"), "x");
        assert_eq!(Naming::new(TEMPLATE, "", "j", "s").key("x"), "j/s/x");
    }

    #[test]
    fn a_dated_naming_has_a_folder_for_each_minute_and_owns_no_other() {
        let naming = Naming::new("{prefix}/{source}/{date}/{name}", "fisicos", "weekly", "erp");
        let key = naming.key("backup_20261122_030159.zip");
        assert_eq!(key, "fisicos/erp/2026-11-22_03-01/backup_20261122_030159.zip");
        assert_eq!(naming.folder(), "fisicos/erp/");
        let sidecar = format!("{key}{MANIFEST}");
        assert!(naming.owns(&key) && naming.owns(&sidecar));
        assert_eq!(naming.part(&sidecar), Some((key.as_str(), Part::Head)));
        assert_eq!(Naming::of_key(&key), naming);
        let plain = Naming::new(TEMPLATE, "prod", "weekly", "erp");
        assert_eq!(Naming::of_key(&plain.key("backup_20261122_030159.zip")), plain);
        assert_eq!(Naming::of_key("2026-11-22_03-01/backup_20261122_030159.zip").folder(), "");
        for foreign in [
            "fisicos/erp/2026-11-22_03-02/backup_20261122_030159.zip",
            "fisicos/erp/backup_20261122_030159.zip",
            "fisicos/erp/2026-11-22_03-01/other.zip",
            "fisicos/erp/2026-11-22_03-01/",
            "fisicos/erp/é026-11-22_03-0/backup_20261122_030159.zip",
        ] {
            assert!(!naming.owns(foreign), "{foreign}");
        }
    }

    #[test]
    fn no_two_entries_have_one_name() {
        use crate::artifact::member::Phase;
        let members = [
            Member::new("shop", "", Kind::Settings, Phase::Before),
            Member::new("shop", "v", Kind::View, Phase::Before),
            Member::new("Shop", "v", Kind::View, Phase::Before),
            Member::new("shop", "settings", Kind::Rows, Phase::Data),
            Member::new("shop", "T", Kind::Rows, Phase::Data),
            Member::new("shop", "", Kind::File, Phase::Data),
            Member::new("shop", "file", Kind::Rows, Phase::Data),
            Member::new("shop", "v", Kind::View, Phase::After),
            Member::new("shop", "x", Kind::Settings, Phase::After),
            Member::new("shop", "a.00001", Kind::Script, Phase::After),
            Member::new("shop", "../a", Kind::Script, Phase::After),
        ];
        let names = EntryNames::new(&members);
        let all: Vec<String> = (0..members.len()).map(|i| names.name(i, 0)).collect();
        assert_eq!(
            all,
            [
                "shop/settings.sql",
                "shop/v.view.sql",
                "Shop~2/v.view.sql",
                "shop/settings.00000.sql",
                "shop/T~4.00000.sql",
                "shop/file.00000.sqlite",
                "shop/file.00000.sql",
                "shop/v.view~7.sql",
                "shop/settings~8.sql",
                "shop/a.00001.sql",
                "shop/%2E%2E%2Fa.sql",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn an_entry_part_is_safe_and_short(name in "\\PC{0,200}") {
            let part = entry_part(&name, 7);
            proptest::prop_assert!(!part.is_empty() && part.len() < 120);
            proptest::prop_assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-%~".contains(&b)));
        }
    }
}
