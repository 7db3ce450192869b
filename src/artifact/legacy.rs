//! The manifests of formats 1 to 3, which were one JSON document with every entry in it.
//!
//! Pure. Read only: what this program writes is format 4. Unknown fields are refused, every length
//! is capped before anything is allocated for it.

use jiff::Timestamp;
use serde::Deserialize;

use crate::artifact::damage::Damage;
use crate::artifact::head::{Head, ObjectLine, Seal};
use crate::artifact::index::{EntryLine, MemberSum, sums};
use crate::artifact::manifest::Manifest;
use crate::artifact::member::{Kind, Member};
use crate::artifact::position::Position;
use crate::artifact::proof::Proof;
use crate::base::Id;

/// Largest manifest of these formats, in bytes.
pub const LARGEST_LEGACY: u64 = 256 << 20;

/// Most members, and most entries.
const MOST: usize = 5_000_000;

/// What such a manifest says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Legacy {
    format: u64,
    id: Id,
    job: String,
    source: String,
    kind: String,
    key: String,
    host: String,
    vex: String,
    server: String,
    started: Timestamp,
    finished: Timestamp,
    sealed: bool,
    #[serde(default)]
    inconsistent: Vec<String>,
    #[serde(default)]
    not_included: Vec<String>,
    #[serde(default)]
    position: Option<Position>,
    #[serde(default)]
    parent: Option<Id>,
    digest: String,
    members: Vec<Member>,
    entries: Vec<EntryLine>,
    #[serde(default)]
    object: Option<LegacyObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LegacyObject {
    bytes: u64,
    sha256: String,
    tail: String,
}

/// What the entries of each member add up to.
fn sums_of(old: &Legacy) -> Vec<MemberSum> {
    let sum = |m: &Member| MemberSum {
        proof: (m.kind == Kind::Rows).then(Proof::default),
        ..MemberSum::default()
    };
    let mut own: Vec<MemberSum> = old.members.iter().map(sum).collect();
    for entry in &old.entries {
        let Some(sum) = own.get_mut(entry.member) else { continue };
        sum.entries += 1;
        sum.raw = sum.raw.saturating_add(entry.raw);
        if let (Some(sum), Some(rows)) = (&mut sum.proof, entry.rows) {
            *sum += rows;
        }
    }
    own
}

/// Reads a manifest of format 1, 2 or 3.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Damage> {
    let damage = |found: String| Damage::Manifest(found);
    if bytes.len() as u64 > LARGEST_LEGACY {
        return Err(damage("it is larger than 256 MiB".into()));
    }
    let mut old: Legacy = serde_json::from_slice(bytes).map_err(|e| damage(e.to_string()))?;
    if old.members.len() > MOST || old.entries.len() > MOST {
        return Err(damage("it has too many members or entries".into()));
    }
    old.members.iter_mut().for_each(Member::name_class);
    let own = sums_of(&old);
    let (totals, units) = sums(&old.members, &own);
    let tail_from = old.entries.last().map_or(0, |e| e.offset.saturating_add(e.stored));
    let object = old.object.map(|o| ObjectLine {
        piece: None,
        tail_from,
        key: old.key.clone(),
        bytes: o.bytes,
        sha256: o.sha256,
        tail: o.tail,
        directory: 0,
    });
    let head = Head {
        format: old.format,
        needs: Vec::new(),
        id: old.id,
        job: old.job,
        file: None,
        source: old.source,
        kind: old.kind,
        origin: None,
        key: old.key,
        host: old.host,
        vex: old.vex,
        server: old.server,
        started: old.started,
        finished: old.finished,
        lag: None,
        seal: old.sealed.then(|| Seal { method: "winzip-aes-256".into(), fingerprint: None }),
        totals,
        units,
        inconsistent: old.inconsistent,
        not_included: old.not_included,
        lost: 0,
        cut: false,
        position: old.position,
        parent: old.parent,
        digest: old.digest,
        objects: object.into_iter().collect(),
        index: None,
    };
    let (members, entries) = (old.members, old.entries);
    let manifest = Manifest { head, members, sums: own, entries, contents: Vec::new() };
    manifest.check_all().map_err(damage)?;
    Ok(manifest)
}
