//! When no backup can be used where it was looked for: the newest of the stores that were not asked
//! is named, and the newest of the other kind, files for a dump, a dump for files (S97).

use crate::lang::Lang;
use crate::plan::{BackupWish, LATEST, Places, RestoreSpec};
use crate::recover::look::look;
use crate::recover::operator::{Operator, Work};
use crate::source;

/// Hears nothing: what is wrong with the others was not asked.
struct Deaf;

impl Operator for Deaf {
    fn tell(&self, _text: &str) {}

    fn warn(&self, _text: &str) {}
}

/// Names the newest usable backup of another kind, with its age and how it is restored.
pub fn name_another(spec: &RestoreSpec, work: Work<'_>) {
    let Some(first) = spec.which.others.first() else { return };
    let which = BackupWish {
        source: Some(first.source.clone()),
        named: Some(first.source.clone()),
        places: Places::Stores(
            spec.which.others.iter().filter(|p| p.source == first.source).cloned().collect(),
        ),
        others: Vec::new(),
        elsewhere: Vec::new(),
        backup: LATEST.to_owned(),
        ..spec.which.clone()
    };
    let found = look(&which, work.world, &Deaf, work.stop)
        .and_then(|mut candidates| candidates.take(&which, &Deaf, work.stop));
    let Ok(picked) = found else { return };
    let head = &picked.manifest.head;
    let age = work.world.clock.now().as_second() - head.started.as_second();
    let (what, into) = match source::is_files(&head.kind) {
        true => ("files", "pgdata:DIR"),
        false => ("a dump", "TARGET"),
    };
    let file = which.typed.as_deref().unwrap_or("FILE");
    work.warn(format_args!(
        "there is {what} of it that may be used: {} of {}, {} old: `vex restore {file} {} --into {into}`",
        head.id,
        head.started,
        Lang::En.duration(age),
        head.source
    ));
}

/// Names a backup in a store that was not asked, since another one was named with `--from`: the same
/// one if there is a copy, else the newest. Says whether there is one.
pub fn name_elsewhere(spec: &RestoreSpec, work: Work<'_>) -> bool {
    if spec.which.elsewhere.is_empty() {
        return false;
    }
    let places = Places::Stores(spec.which.elsewhere.clone());
    let of = |backup: &str| {
        let which = BackupWish {
            places: places.clone(),
            backup: backup.to_owned(),
            elsewhere: Vec::new(),
            ..spec.which.clone()
        };
        let found = look(&which, work.world, &Deaf, work.stop);
        found.and_then(|mut candidates| candidates.take(&which, &Deaf, work.stop)).ok()
    };
    let Some(picked) = of(&spec.which.backup).or_else(|| of(LATEST)) else { return false };
    let head = &picked.manifest.head;
    let which = BackupWish { from: picked.name, backup: head.id.to_string(), ..spec.which.clone() };
    let other = RestoreSpec { which, resume: false, ..spec.clone() };
    work.warn(format_args!(
        "{} of {}, in {}, may be whole: `{}`",
        head.id,
        head.started,
        other.which.from.as_deref().unwrap_or("another store"),
        other.command()
    ));
    true
}
