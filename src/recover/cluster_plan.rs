//! A restore of the files of a PostgreSQL cluster: what is decided and looked for before any work.
//!
//! Changes nothing. Whatever may be missing is found here, while the old server still runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::artifact::{Damage, Manifest};
use crate::base::{Size, Stop};
use crate::pipeline::{Fetch, Meter};
use crate::plan::{ClusterWish, RestoreSpec};
use crate::recover::assembly::facts;
use crate::recover::candidates::Picked;
use crate::recover::config::Config;
use crate::recover::fault::Fault;
use crate::recover::opened::load_all;
use crate::recover::operator::Work;
use crate::recover::prove::{Setback, prove};
use crate::recover::restore_plan::about;
use crate::recover::wal::{Aim, Recovery};
use crate::shelf::{Shelved, lineage};
use crate::source::{ClusterFacts, Control, Owner, Place, Tablespace};
use crate::world::Child;

/// Everything that was decided before any work.
pub struct ClusterPlan {
    /// The backups, the full one first.
    pub manifests: Vec<Manifest>,
    /// The data directory.
    pub place: Place,
    /// What the backup says of its cluster.
    pub facts: ClusterFacts,
    /// PostgreSQL's programs.
    pub control: Control,
    /// Tablespaces and where their folders will be.
    pub spaces: Vec<(Tablespace, PathBuf)>,
    /// Where its configuration comes to.
    pub config: Config,
    /// Settings of the first start.
    pub set: Vec<(String, String)>,
    /// The process of the server that runs there.
    pub running: Option<u32>,
    /// Whether that is stopped.
    pub stops: bool,
    /// Whether the new one is started.
    pub starts: bool,
    /// Tells the folders of this restore from those of others.
    pub stamp: String,
    /// A recovery from the log.
    pub recovery: Option<Recovery>,
}

pub(super) fn nothing(doing: &str, found: impl Into<String>, hint: &str) -> Fault {
    Fault::Nothing { doing: doing.into(), found: found.into(), hint: Some(hint.into()) }
}

impl ClusterPlan {
    /// Decides all of it; `beside` is what its store holds of the source, whichever job made it.
    pub fn decide(
        (wish, aim): (&ClusterWish, Option<&Aim>),
        picked: &Picked,
        beside: &[Shelved],
        work: Work<'_>,
    ) -> Result<ClusterPlan, Fault> {
        let recovery = aim.map(|aim| aim.recovery(&picked.manifest.head, work.stop)).transpose()?;
        let manifests = chain(picked, beside, work.stop)?;
        let meter = Meter::default();
        let last = manifests.last().expect("BUG: a chain without its end");
        let fetch = Fetch {
            store: picked.store.as_ref(),
            manifest: last,
            key: picked.key.as_ref(),
            meter: &meter,
        };
        let facts = facts(&fetch, work.stop)?;
        let place = Place::new(&wish.data)?;
        let owner = owner(wish.owner.as_deref(), &place, work.stop)?;
        let control = Control { tools: wish.tools.clone(), major: facts.major(), owner };
        let now = work.world.clock.now().to_zoned(TimeZone::UTC);
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let config = Config::decide(wish.config.as_deref(), &facts, &place, &stamp);
        Ok(ClusterPlan {
            spaces: spaces(wish, &facts)?,
            set: settings(wish)?,
            running: place.running()?,
            stops: wish.stop,
            starts: wish.start,
            manifests,
            place,
            facts,
            control,
            config,
            stamp,
            recovery,
        })
    }

    /// Where all of it is unpacked.
    pub fn folder(&self) -> PathBuf {
        self.place.fresh(&self.stamp)
    }

    /// Where the files of a tablespace are unpacked that come to `to`.
    pub fn space_folder(&self, to: &Path) -> PathBuf {
        to.join(format!(".new-{}", self.stamp))
    }

    /// Reads all of it back.
    pub fn read(&self, spec: &RestoreSpec, picked: &Picked, work: Work<'_>) -> Result<(), Setback> {
        prove(spec, picked, &self.manifests, None, work)
    }

    /// The plan as a person reads it.
    pub fn lines(&self, picked: &Picked) -> Vec<String> {
        let place = self.place.data.display();
        let manifest = &picked.manifest;
        let mut lines = vec![about(&manifest.head)];
        for link in &self.manifests {
            let (stored, raw) = (Size(link.head.bytes()), Size(link.head.totals.raw));
            let what = if link.head.parent.is_some() { "increment" } else { "full" };
            let key = &link.head.key;
            let store = picked.store.place();
            lines.push(format!("reads {stored} ({raw} unpacked) of {key} in {store}: {what}"));
        }
        if let Some(position) = &manifest.head.position {
            lines.push(format!("needs WAL {position}; it is in the backup"));
        }
        lines.extend(self.recovery.iter().flat_map(Recovery::lines));
        let missing = manifest.head.not_included.iter();
        lines.extend(missing.map(|missing| format!("! not included: {missing}")));
        let Owner { user, group } = self.control.owner;
        lines.push(format!(
            "unpacks in {}, for user {user} and group {group}, and runs pg_verifybackup",
            self.folder().display()
        ));
        match (self.running, self.stops) {
            (Some(pid), true) => {
                lines.push(format!("stops the server of {place}, process {pid}, with pg_ctl"));
            }
            (Some(pid), false) => {
                lines.push(format!("! a server runs in {place}, process {pid}"));
            }
            (None, _) => {}
        }
        let aside = self.place.aside(&self.stamp);
        if self.place.is_mount() {
            lines.push(format!("moves what is in {place}, a mount point, to {}", aside.display()));
        } else if self.place.exists() {
            lines.push(format!("moves {place} to {}", aside.display()));
        }
        lines.push(format!("puts the backup in its place: {place}"));
        for (space, to) in &self.spaces {
            let (name, to) = (&space.name, to.display());
            lines.push(format!("tablespace {name} ({}) comes to {to}", space.location));
        }
        lines.extend(self.config.lines(&self.facts));
        lines.extend(self.warnings());
        lines
    }

    fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.facts.archives {
            lines.push(
                "! archive_mode is on in this cluster: beside the old one it would archive over it; turn it off first"
                    .to_owned(),
            );
        }
        if self.facts.standby {
            lines.push(
                "the files are of a standby: what has it follow its primary is put aside, and it comes up on its own"
                    .into(),
            );
        }
        if self.starts {
            lines.push(
                "starts the server with pg_ctl, waits until it lets connections in, and reads its log"
                    .into(),
            );
        }
        lines
    }

    /// Whether all is there that the work needs.
    pub fn refusal(&self, stop: &Stop) -> Result<(), Fault> {
        let doing = format!("restore into {}", self.place.data.display());
        let mut programs = vec!["pg_verifybackup", "pg_waldump"];
        programs.extend((self.manifests.len() > 1).then_some("pg_combinebackup"));
        programs.extend((self.starts || self.running.is_some()).then_some("pg_ctl"));
        self.control.look(&programs, stop)?;
        if let Some(major) =
            self.place.major().filter(|m| *m != self.facts.major() && self.running.is_some())
        {
            let found = format!(
                "a server of PostgreSQL {major} runs there, and the backup is of {}",
                self.facts.major()
            );
            return Err(nothing(
                &doing,
                found,
                "Stop it by hand first: its own pg_ctl is needed for that.",
            ));
        }
        if let Some(pid) = self.running.filter(|_| !self.stops) {
            let hint = format!(
                "Stop it first: `systemctl stop postgresql` (Debian: `systemctl stop postgresql@{}-main`), or let vex do it \
                 with --stop.",
                self.facts.major()
            );
            return Err(nothing(&doing, format!("a server runs there, process {pid}"), &hint));
        }
        let parent = self.place.workshop();
        let raw: u64 = self.manifests.iter().map(|m| m.head.totals.raw).sum();
        let needs = if self.manifests.len() > 1 { raw * 2 } else { raw };
        let stat = rustix::fs::statvfs(parent).map_err(|e| {
            nothing(&doing, format!("{}: {e}", parent.display()), "Make the folder first.")
        })?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needs {
            let found = format!("it needs {} beside it, and {} are free", Size(needs), Size(free));
            return Err(nothing(&doing, found, "Make room, or restore into another file system."));
        }
        Ok(())
    }
}

/// The manifests of a backup and of all it adds to, which another job may have made, the full one
/// first.
fn chain(picked: &Picked, beside: &[Shelved], stop: &Stop) -> Result<Vec<Manifest>, Fault> {
    let Some(parent) = &picked.manifest.head.parent else {
        return Ok(vec![picked.manifest.clone()]);
    };
    let gone = |id: &dyn std::fmt::Display| {
        Fault::Damage(Damage::Manifest(format!("{id}, which it adds to, is not there")))
    };
    if picked.shelf.is_none() {
        let hint = "Name its store with --from, where the backups that it adds to are too.";
        return Err(nothing(
            "restore an increment from one file",
            format!("it adds to {parent}"),
            hint,
        ));
    }
    let own = beside
        .iter()
        .find(|a| a.head.key == picked.manifest.head.key)
        .ok_or_else(|| gone(&picked.manifest.head.id))?;
    let chain = lineage(beside, own).map_err(|id| gone(&id))?;
    if let Some(bad) = chain.iter().find(|a| a.is_damaged()) {
        return Err(gone(&format!("{}, which was found damaged", bad.head.id)));
    }
    chain.into_iter().map(|a| load_all(picked.store.as_ref(), &a.head, stop)).collect()
}

/// Where each tablespace comes to.
fn spaces(wish: &ClusterWish, facts: &ClusterFacts) -> Result<Vec<(Tablespace, PathBuf)>, Fault> {
    let mut spaces: Vec<(Tablespace, PathBuf)> =
        facts.tablespaces.iter().map(|t| (t.clone(), PathBuf::from(&t.location))).collect();
    for word in &wish.tablespaces {
        let (old, new) = word.split_once('=').unwrap_or((word, ""));
        let known: Vec<String> = spaces.iter().map(|(s, _)| s.location.clone()).collect();
        let found = spaces.iter_mut().find(|(s, _)| s.location == old || s.name == old);
        match found.filter(|_| new.starts_with('/')) {
            Some((_, to)) => *to = PathBuf::from(new),
            None => {
                let hint = format!(
                    "It is OLD=NEW, NEW with its whole path; the backup has {}.",
                    known.join(", ")
                );
                return Err(nothing(
                    "map a tablespace",
                    format!("--tablespace {word} fits none"),
                    &hint,
                ));
            }
        }
    }
    Ok(spaces)
}

/// Settings that are no part of a configuration file.
fn settings(wish: &ClusterWish) -> Result<Vec<(String, String)>, Fault> {
    let mut set = Vec::new();
    for word in &wish.set {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
        {
            return Err(nothing(
                "start the server",
                format!("--set {word} is no setting"),
                "It is NAME=VALUE.",
            ));
        }
        set.push((name.to_owned(), value.to_owned()));
    }
    Ok(set)
}

/// Whose the files will be.
fn owner(name: Option<&str>, place: &Place, stop: &Stop) -> Result<Owner, Fault> {
    let us = Owner::us();
    let doing = "decide whose the files are";
    let Some(name) = name else {
        let found = if us.user == 0 { place.owner() } else { Some(us) };
        return found.filter(|owner| owner.user != 0).ok_or_else(|| {
            let hint = "Name the user of the server with --owner, such as `--owner postgres`.";
            nothing(
                doing,
                format!("{} would be root's, which PostgreSQL refuses", place.data.display()),
                hint,
            )
        });
    };
    let words = ["getent".to_owned(), "passwd".to_owned(), "--".to_owned(), name.to_owned()];
    let output = Child::new(&words).stall(Duration::from_secs(30)).output(64 << 10, stop);
    let text = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let line = text.map_err(|e| {
        nothing(doing, format!("there is no user {name}: {e}"), "Name another with --owner.")
    })?;
    let mut fields = line.trim().split(':').skip(2).map(|field| field.parse::<u32>().ok());
    let (Some(Some(user)), Some(Some(group))) = (fields.next(), fields.next()) else {
        return Err(nothing(
            doing,
            format!("the user {name} has no number"),
            "Name another with --owner.",
        ));
    };
    if us.user != 0 && us.user != user {
        let hint = "Run vex as root, or as that user.";
        return Err(nothing(doing, format!("only root can give files to {name}"), hint));
    }
    Ok(Owner { user, group })
}
