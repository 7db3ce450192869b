//! One `.zip` that is all there is: its head, members and entries stand in it.

use std::path::Path;

use crate::artifact::{
    Damage, ENTRY, FORMAT, Head, Key, LARGEST_LEGACY, MEMBERS, Manifest, format_of, is_entries,
    parse_legacy, plain_of, read_entries, read_members, read_text, sums,
};
use crate::base::Stop;
use crate::job::{DirSpec, StoreSpec};
use crate::plan::BackupWish;
use crate::recover::candidates::Picked;
use crate::recover::fault::Fault;
use crate::recover::key::key_unseen;
use crate::store;
use crate::world::World;

/// The backup that one `.zip` is.
pub fn lone_zip(
    path: &Path,
    which: &BackupWish,
    world: &World,
    stop: &Stop,
) -> Result<Picked, Fault> {
    if !which.trust.verify.is_empty() {
        let found = "a .zip by itself bears no signature, and the site file has a `verify-key`";
        return Err(Fault::usage(found, "Name the store that holds it with --from."));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let spec = StoreSpec::Dir(DirSpec { path: folder.to_path_buf(), mount: false });
    let store = store::open(&spec, world, stop)?;
    let given = key_unseen(&which.keys, stop)?;
    let mut manifest = inner_manifest(path, given.as_ref())?;
    manifest.head.key = name;
    let key = given.filter(|_| manifest.head.sealed());
    Ok(Picked::lone(manifest, store, key))
}

/// Largest text of a container that is read whole, in bytes.
const LARGEST_TEXT: u64 = 1 << 30;

/// The manifest that a container holds: of formats 1 to 3 one entry, of format 4 head, members and
/// lines.
fn inner_manifest(path: &Path, key: Option<&Key>) -> Result<Manifest, Damage> {
    let damage = |e: &dyn std::fmt::Display| Damage::Object(format!("{}: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| damage(&e))?;
    let mut archive =
        zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|e| damage(&e))?;
    let last = archive.len().checked_sub(1).ok_or_else(|| damage(&"the archive is empty"))?;
    let mut text = |index: usize, name: Option<&str>| -> Result<Vec<u8>, Damage> {
        let (own, raw) = {
            let entry = archive.by_index_raw(index).map_err(|e| damage(&e))?;
            let own = entry.name().map_err(|e| damage(&e))?.into_owned();
            (own, entry.size().min(LARGEST_TEXT))
        };
        if name.is_some_and(|name| name != plain_of(&own)) {
            return Err(damage(&"its last entry is no manifest: not an archive of vex"));
        }
        read_text(&mut archive, index, &own, raw, key)
    };
    let head = text(last, Some(ENTRY))?;
    if format_of(&head)? < FORMAT {
        return match head.len() as u64 > LARGEST_LEGACY {
            true => Err(Damage::Manifest("it is larger than 256 MiB".into())),
            false => parse_legacy(&head),
        };
    }
    let mut manifest = Manifest::of(Head::parse(&head)?);
    let names: Vec<(usize, String)> = {
        let names = archive.file_names().enumerate();
        names
            .map(|(i, n)| Ok((i, plain_of(&n.map_err(|e| damage(&e))?).to_owned())))
            .collect::<Result<_, Damage>>()?
    };
    let mut text = |index: usize| -> Result<Vec<u8>, Damage> {
        let (own, raw) = {
            let entry = archive.by_index_raw(index).map_err(|e| damage(&e))?;
            let own = entry.name().map_err(|e| damage(&e))?.into_owned();
            (own, entry.size().min(LARGEST_TEXT))
        };
        read_text(&mut archive, index, &own, raw, key)
    };
    for (index, name) in &names {
        if name == MEMBERS {
            let (details, members, sums) = read_members(&text(*index)?)?;
            manifest.head = manifest.head.completed(details)?;
            (manifest.members, manifest.sums) = (members, sums);
        } else if is_entries(name) {
            let (entries, contents) = read_entries(&text(*index)?)?;
            manifest.entries.extend(entries);
            manifest.contents.extend(contents);
        }
    }
    manifest.entries.sort_by_key(|e| e.offset);
    let count = manifest.members.len();
    manifest.entries.iter().try_for_each(|e| e.check(count)).map_err(Damage::Manifest)?;
    let (totals, _) = sums(&manifest.members, &manifest.sums);
    if totals != manifest.head.totals || manifest.entries.len() as u64 != totals.entries {
        let found = "its sums are not those of the lists inside the container";
        return Err(Damage::Manifest(found.into()));
    }
    Ok(manifest)
}
