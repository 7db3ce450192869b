//! What every source and snapshot owes: the same origin however often it is asked, members in restore
//! order, one moment whatever is written meanwhile, rows that are counted as they are written, and
//! a view that says what it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use vex::testing::artifact::{Dialect, Kind, Phase, Proof};
use vex::testing::base::Stop;
use vex::testing::job::{Engine as Program, SourceSpec};
use vex::testing::source::contract::{Out, Piece, Reading, Result, Snapshot};
use vex::testing::source::open;
use vex::testing::world::World;

use crate::restore::contract::crafted::proof;

/// Counts what it is given.
struct Counting {
    dialect: Dialect,
    rows: bool,
    /// As the source says, and as the chunks say.
    told: Proof,
    counted: Proof,
    bytes: usize,
    more: Vec<Piece>,
}

impl Out for Counting {
    fn buffer(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, bytes: Vec<u8>, own: Proof) -> Result<()> {
        self.told += own;
        self.bytes += bytes.len();
        if self.rows {
            self.counted += proof(self.dialect, &String::from_utf8(bytes).unwrap());
        }
        Ok(())
    }

    fn waiting(&mut self, on: &str) {
        assert!(!on.is_empty(), "a wait has a reason");
    }

    fn more(&mut self, piece: Piece) {
        self.more.push(piece);
    }
}

/// Reads all pieces, by every worker in turn: the rows of each table.
fn read(snapshot: &dyn Snapshot, dialect: Dialect) -> BTreeMap<String, u64> {
    let (members, stop) = (snapshot.members(), Stop::new());
    let phases: Vec<Phase> = members.iter().map(|m| m.phase).collect();
    assert!(phases.is_sorted(), "members come in restore order: {phases:?}");
    let (mut pieces, mut found, mut turn) = (snapshot.pieces(), BTreeMap::new(), 0);
    while let Some(piece) = pieces.pop() {
        let member = &members[piece.member];
        let rows = member.kind == Kind::Rows;
        let (told, counted) = (Proof::default(), Proof::default());
        let mut out = Counting { dialect, rows, told, counted, bytes: 0, more: Vec::new() };
        let read = snapshot.read(turn % snapshot.workers(), &piece, &mut out, &stop).unwrap();
        assert_eq!((read, out.told), (out.told, out.counted), "{}", member.title());
        assert!(rows || out.bytes > 0, "{} has no bytes", member.title());
        if rows {
            *found.entry(member.name.clone()).or_default() += read.rows;
        }
        pieces.extend(out.more);
        turn += 1;
    }
    found
}

/// All of the contract, on one source that holds the tables `good`, of six rows, and `other`, of
/// one; `write` adds row 100 to `good`.
pub fn keeps_the_contract(spec: &SourceSpec, dialect: Dialect, write: &dyn Fn()) {
    let stop = Stop::new();
    let source = open(spec, "suite", &World::real(), &stop).unwrap();
    assert_eq!(source.origin(&stop).unwrap(), source.origin(&stop).unwrap());
    let facts = source.probe(&stop).unwrap();
    let tables = facts.units.iter().flat_map(|unit| &unit.tables).map(|table| table.0.as_str());
    assert!(tables.clone().any(|t| t.ends_with("good")), "{:?}", tables.collect::<Vec<_>>());
    assert!(!facts.version.is_empty());
    let reading = Reading {
        threads: 2,
        chunk: 64 << 10,
        engine: Program::Native,
        hear: Arc::new(|_: &str| {}),
        parent: None,
    };
    let snapshot = source.snapshot(reading.clone(), &stop).unwrap();
    write();
    let found = read(snapshot.as_ref(), dialect);
    assert_eq!((found["good"], found["other"]), (6, 1), "what was written later is not there");
    snapshot.finish(&stop).unwrap();
    let about = snapshot.about();
    assert_eq!(about.version, facts.version);
    assert_eq!((about.inconsistent.len(), about.lost.len()), (0, 0), "{about:?}");
    assert!(about.estimate > 0 && about.lost.iter().all(|l| about.not_included.contains(l)));
    drop(snapshot);
    let next = source.snapshot(reading, &stop).unwrap();
    assert_eq!(read(next.as_ref(), dialect)["good"], 7, "the next one has it");
    next.finish(&stop).unwrap();
}
