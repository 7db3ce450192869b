//! A backup of entries that a test wrote itself, in memory.

use std::sync::Arc;

use vex::testing::artifact::{
    Dialect, Head, INDEX, Manifest, Member, Method, Naming, ObjectLine, Phase, Proof, RowDigest,
    SqlError, TEMPLATE, Totals, UnitSum, Value, read_rows,
};
use vex::testing::base::Stop;
use vex::testing::pipeline::{Backup, Copy, IndexMade, Meter, Shape, backup};
use vex::testing::shelf::{Contents, IndexBytes, Shelf};
use vex::testing::source::contract::{About, Out, Piece, Result, Snapshot};
use vex::testing::store::{Memory, contract::Store};

/// A member, and its entries.
pub type Entries = (Member, Vec<String>);

/// What a test wrote.
pub struct Crafted {
    members: Vec<Member>,
    entries: Vec<Vec<String>>,
    dialect: Dialect,
    /// Whether the proofs of all rows lie.
    lies: bool,
}

/// Rows and digest of an entry.
pub fn proof(dialect: Dialect, entry: &str) -> Proof {
    let mut digest = RowDigest::new();
    if dialect == Dialect::Postgres {
        let rows = entry.split_once(" FROM stdin;\n").and_then(|(_, r)| r.strip_suffix("\\.\n"));
        rows.unwrap().lines().for_each(|line| digest.line(line.as_bytes()));
        return digest.take();
    }
    let take = &mut |_: &[u8], values: &[Value<'_>]| {
        for (tag, bytes) in values.iter().map(Value::parts) {
            digest.value(tag, bytes);
        }
        digest.end_row();
        Ok::<(), SqlError>(())
    };
    read_rows(dialect, entry.as_bytes(), take).unwrap();
    digest.take()
}

impl Snapshot for Crafted {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        (0..self.members.len()).map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        1
    }

    fn read(&self, _: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        let mut sum = Proof::default();
        for entry in &self.entries[piece.member] {
            stop.check()?;
            let mut bytes = out.buffer()?;
            bytes.extend_from_slice(entry.as_bytes());
            let mut own = match self.members[piece.member].phase {
                Phase::Data => proof(self.dialect, entry),
                Phase::Before | Phase::After => Proof::default(),
            };
            own.digest.0 ^= u128::from(self.lies && own.rows > 0);
            sum += own;
            out.chunk(bytes, own)?;
        }
        Ok(sum)
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        Ok(stop.check()?)
    }

    fn about(&self) -> About {
        let estimate = self.entries.iter().flatten().map(|entry| entry.len() as u64).sum();
        About { version: "crafted".into(), estimate, ..About::default() }
    }
}

/// Writes entries as a backup of a kind of source; its rows are not those that it says, if it lies.
pub fn written(
    kind: &str,
    dialect: Dialect,
    entries: Vec<Entries>,
    lies: bool,
) -> (Arc<Memory>, Manifest) {
    let stop = Stop::new();
    let (members, entries) = entries.into_iter().unzip();
    let snapshot = Crafted { members, entries, dialect, lies };
    let (store, naming) =
        (Arc::new(Memory::default()), Naming::new(TEMPLATE, "", "nightly", "shop"));
    let key = naming.key("backup_20261129_010000.zip");
    let (own, index_key) = (store.clone(), format!("{key}{INDEX}"));
    let copy = Copy {
        rate: None,
        upload: store.create(&key, &stop).unwrap(),
        lanes: store.limits().lanes,
        index: Box::new(move || own.create(&index_key, &Stop::new())),
    };
    let draft = |totals: Totals, units: Vec<UnitSum>| {
        let head = Head::parse(include_bytes!("../../fixtures/head.json")).unwrap();
        let (key, kind) = (key.clone(), kind.to_owned());
        let (objects, index) = (Vec::new(), None);
        Head {
            key,
            kind,
            job: "nightly".into(),
            source: "shop".into(),
            totals,
            units,
            objects,
            index,
            ..head
        }
    };
    let shape = Shape::new(1, 1, 1 << 16, store.limits().lanes, snapshot.about().estimate);
    let mut written = backup(
        Backup {
            rate: None,
            snapshot: &snapshot,
            method: Method::Zstd(1),
            seal: None,
            shape: shape.holding(snapshot.members.len()),
            copies: vec![copy],
            head: &draft,
            meter: &Meter::default(),
        },
        &stop,
    )
    .unwrap();
    let object = ObjectLine { key: key.clone(), ..written.object };
    let head = Head { objects: vec![object], index: Some(written.index), ..written.head };
    let made = written.copies.remove(0).unwrap();
    let index = match made.index {
        IndexMade::Small(bytes) => IndexBytes::Whole(bytes),
        IndexMade::Sent(upload, bytes) => IndexBytes::Sent(upload, bytes),
    };
    let shelf = Shelf::new(store.clone(), naming, "nightly", "shop");
    shelf.commit(made.container, index, &head, &stop).unwrap();
    let contents = Contents::open(store.as_ref(), &head, &stop).unwrap();
    let all = vec![true; contents.members.len()];
    let manifest = contents.load(store.as_ref(), &all, &stop).unwrap();
    (store, manifest)
}
