//! Which backup is meant: a store of the job file, a store URL, or one `.zip`; the latest, or an
//! ID.
//!
//! `latest` goes by the manifest's UTC time, never by name or age of a file.

use std::path::{Path, PathBuf};

use crate::artifact::{
    Damage, ENTRY, FORMAT, Head, LARGEST_LEGACY, MEMBERS, Manifest, format_of, parse_legacy,
    read_entries, read_entry, read_members, sums,
};
use crate::base::{Secret, Stop, holds_login, show_address};
use crate::job::{DirSpec, S3Spec, StoreSpec};
use crate::plan::{Backup, StepKind};
use crate::shelf::{Shelf, Shelved, part_anywhere, survey};
use crate::store;
use crate::world::World;

use crate::cli::args::Which;
use crate::cli::exit::Exit;
use crate::cli::into::{percent_decode, unknown_part};
use crate::cli::offer::{Held, LATEST, Offers, Picked, password};
use crate::cli::wiring::{Loaded, complain, fail};

fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

/// Picks the backup that `which` names.
pub fn pick(which: &Which, world: &World, stop: &Stop) -> Result<Picked, Exit> {
    look(which, world, stop)?.take(which, stop)
}

/// Looks at all that `which` may mean.
pub fn look(which: &Which, world: &World, stop: &Stop) -> Result<Offers, Exit> {
    // Without a job file the first word is the source.
    let (file, source) = match (&which.file, &which.source, &which.from) {
        (Some(word), None, Some(from)) if is_url(from) && !word.exists() => {
            (None, Some(word.to_string_lossy().into_owned()))
        }
        (file, source, _) => (file.clone(), source.clone()),
    };
    let loaded =
        file.as_deref().map(|f| Loaded::open(f, which.site.as_deref(), false)).transpose()?;
    match (&which.from, loaded) {
        (Some(from), loaded) if from.ends_with(".zip") && Path::new(from).is_file() => {
            lone_zip(Path::new(from), which, loaded, world, stop).map(Offers::lone)
        }
        (Some(from), loaded) if is_url(from) => {
            from_url(from, which, source.as_deref(), loaded, world, stop)
        }
        (from, Some(loaded)) => {
            from_file(from.as_deref(), which, source.as_deref(), loaded, world, stop)
        }
        (Some(from), None) => Err(usage(&format!(
            "{} is no store URL and no .zip file; a store's name needs the job file",
            show_address(from)
        ))),
        (None, None) => Err(usage("name a job file, or a store with --from")),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with("s3://")
}

/// The chains of a job file that may hold the backup: job, chain, and index of the copy.
fn chains<'a>(
    loaded: &'a Loaded,
    source: Option<&str>,
    store: Option<&str>,
) -> Vec<(&'a str, &'a Backup, usize)> {
    let mut found = Vec::new();
    for plan in &loaded.plans {
        for step in &plan.steps {
            let StepKind::Backup(backup) = &step.kind else { continue };
            for (index, copy) in backup.copies.iter().enumerate() {
                if source.is_none_or(|s| backup.source.name == s)
                    && store.is_none_or(|s| copy.store.name == s)
                {
                    found.push((plan.job.as_str(), backup.as_ref(), index));
                }
            }
        }
    }
    found
}

fn from_file(
    from: Option<&str>,
    which: &Which,
    source: Option<&str>,
    loaded: Loaded,
    world: &World,
    stop: &Stop,
) -> Result<Offers, Exit> {
    let all = chains(&loaded, source, from);
    let mut sources: Vec<&str> = all.iter().map(|(_, b, _)| b.source.name.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    match sources.as_slice() {
        [] => {
            let known: Vec<String> = chains(&loaded, None, None)
                .iter()
                .map(|(_, b, i)| format!("{} in {}", b.source.name, b.copies[*i].store.name))
                .collect();
            return Err(usage(&format!("no job backs that up; the file has {}", known.join(", "))));
        }
        [_] => {}
        several => {
            return Err(usage(&format!(
                "the file has the sources {}; name one",
                several.join(", ")
            )));
        }
    }
    let of = format!("of {}", sources.join(""));
    let path = loaded.path.clone();
    let mut offers = Offers::new(&which.backup, of, Some(loaded.file.clone()));
    for (job, backup, index) in all {
        let copy = &backup.copies[index];
        let listed = store::open(&copy.store.spec, world, stop).and_then(|store| {
            let listing = Shelf::new(store.clone(), copy.naming.clone(), job, &backup.source.name)
                .list(stop)?;
            Ok((store, listing))
        });
        match listed {
            Ok((store, listing)) => {
                let (name, naming) = (Some(copy.store.name.clone()), Some(copy.naming.clone()));
                let password = backup.archive.password.clone();
                let (artifacts, notes) = (listing.artifacts, listing.notes);
                let held = Held { name, store, naming, artifacts, notes, password };
                offers.add(held, &listing.unreadable);
            }
            Err(error) => offers.silent(&copy.store.name, error.into()),
        }
    }
    let (origin, now) = (which.origin.as_deref(), world.clock.now());
    offers.one_origin(origin, &world.host(), Some(&path), now)?;
    Ok(offers)
}

fn from_url(
    from: &str,
    which: &Which,
    source: Option<&str>,
    loaded: Option<Loaded>,
    world: &World,
    stop: &Stop,
) -> Result<Offers, Exit> {
    let (spec, under) = parse_store_url(from).map_err(|why| usage(&why))?;
    let store = store::open(&spec, world, stop).map_err(|e| fail(&e.into()))?;
    let listing =
        survey(store.as_ref(), &under, &part_anywhere, stop).map_err(|e| fail(&e.into()))?;
    let own = |a: &Shelved| source.is_none_or(|s| a.head.source == s);
    let artifacts: Vec<Shelved> = listing.artifacts.into_iter().filter(own).collect();
    let mut chains: Vec<String> = artifacts.iter().map(|a| a.head.source.clone()).collect();
    chains.sort_unstable();
    chains.dedup();
    if chains.len() > 1 && which.backup == LATEST {
        return Err(usage(&format!("{from} holds the sources {}; name one", chains.join(", "))));
    }
    let path = loaded.as_ref().map(|l| l.path.clone());
    let mut offers = Offers::new(&which.backup, format!("in {from}"), loaded.map(|l| l.file));
    let notes = listing.notes;
    let held = Held { name: None, store, naming: None, artifacts, notes, password: None };
    offers.add(held, &listing.unreadable);
    let (origin, now) = (which.origin.as_deref(), world.clock.now());
    offers.one_origin(origin, &world.host(), path.as_deref(), now)?;
    Ok(offers)
}

/// One `.zip`: its sidecar if it lies beside it, else the manifest inside.
fn lone_zip(
    path: &Path,
    which: &Which,
    loaded: Option<Loaded>,
    world: &World,
    stop: &Stop,
) -> Result<Picked, Exit> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let spec = StoreSpec::Dir(DirSpec { path: folder.to_path_buf() });
    let store = store::open(&spec, world, stop).map_err(|e| fail(&e.into()))?;
    let given = password(which, None, true, stop)?;
    let mut manifest = inner_manifest(path, given.as_ref()).map_err(|d| fail(&d.into()))?;
    manifest.head.key = name;
    let password = given.filter(|_| manifest.head.sealed());
    Ok(Picked::lone(manifest, store, password, loaded.map(|l| l.file)))
}

/// Largest text of a container that is read whole, in bytes.
const LARGEST_TEXT: u64 = 1 << 30;

/// The manifest that a container holds: of formats 1 to 3 one entry, of format 4 head, members and
/// lines.
fn inner_manifest(path: &Path, password: Option<&Secret>) -> Result<Manifest, Damage> {
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
        if name.is_some_and(|name| name != own) {
            return Err(damage(&"its last entry is no manifest: not an archive of vex"));
        }
        read_entry(&mut archive, index, &own, raw, password)
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
            .map(|(i, n)| Ok((i, n.map_err(|e| damage(&e))?.into_owned())))
            .collect::<Result<_, Damage>>()?
    };
    let mut text = |index: usize| -> Result<Vec<u8>, Damage> {
        let (own, raw) = {
            let entry = archive.by_index_raw(index).map_err(|e| damage(&e))?;
            let own = entry.name().map_err(|e| damage(&e))?.into_owned();
            (own, entry.size().min(LARGEST_TEXT))
        };
        read_entry(&mut archive, index, &own, raw, password)
    };
    for (index, name) in &names {
        if name == MEMBERS {
            let (details, members, sums) = read_members(&text(*index)?)?;
            manifest.head = manifest.head.completed(details)?;
            (manifest.members, manifest.sums) = (members, sums);
        } else if name.starts_with("index.") && name.ends_with(".ndjson") {
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

/// Reads `file:/path` or `s3://bucket/prefix?endpoint=…&region=…&profile=…&path-style=…`.
pub fn parse_store_url(text: &str) -> Result<(StoreSpec, String), String> {
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err("there is no path after file:".into());
        }
        return Ok((StoreSpec::Dir(DirSpec { path: PathBuf::from(path) }), String::new()));
    }
    parse_s3_url(text).map_err(|why| format!("{}: {why}", show_address(text)))
}

fn parse_s3_url(text: &str) -> Result<(StoreSpec, String), String> {
    const KEYS: &str =
        "keys do not belong into a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    if holds_login(text) {
        return Err(KEYS.into());
    }
    let url = url::Url::parse(text).map_err(|e| e.to_string())?;
    if url.port().is_some() {
        return Err("a bucket has no port; the service is named by endpoint=".into());
    }
    if url.fragment().is_some() {
        return Err("a `#` that is part of a prefix is written %23".into());
    }
    let mut spec = S3Spec {
        bucket: url.host_str().unwrap_or_default().to_owned(),
        region: std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into()),
        endpoint: None,
        path_style: false,
        access_key: None,
        secret_key: None,
        session_token: None,
        profile: None,
        ca: None,
        storage_class: None,
        sse: None,
    };
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match name.as_ref() {
            "endpoint" if holds_login(&value) => return Err(KEYS.into()),
            "endpoint" => {
                spec.path_style = true;
                spec.endpoint = Some(value.trim_end_matches('/').to_owned());
            }
            "region" => spec.region = value,
            "profile" => spec.profile = Some(value),
            "path-style" => spec.path_style = value == "true",
            "ca" => spec.ca = Some(PathBuf::from(value)),
            other => {
                return Err(unknown_part(
                    other,
                    "a store URL: endpoint, region, profile, path-style, ca",
                ));
            }
        }
    }
    let prefix = percent_decode(url.path().trim_matches('/')).ok_or("the prefix is not UTF-8")?;
    let under = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok((StoreSpec::S3(spec), under))
}
