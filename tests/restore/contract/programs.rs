//! What every source owes beside its rows: a stop ends every call, and a lost connection is an error,
//! never a silent reconnect. And what the snapshots owe that programs write.

use std::sync::Arc;

use vex::testing::artifact::{Kind, Proof};
use vex::testing::base::Stop;
use vex::testing::job::{Engine as Program, SourceSpec};
use vex::testing::source::contract::{ErrorKind, Out, Piece, Purpose, Reading, Result, Snapshot};
use vex::testing::source::open;
use vex::testing::world::World;

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    told: Proof,
    more: Vec<Piece>,
}

impl Out for Kept {
    fn buffer(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, bytes: Vec<u8>, own: Proof) -> Result<()> {
        self.told += own;
        self.bytes.extend(bytes);
        Ok(())
    }

    fn waiting(&mut self, on: &str) {
        assert!(!on.is_empty(), "a wait has a reason");
    }

    fn more(&mut self, piece: Piece) {
        self.more.push(piece);
    }
}

/// How a source is read in these tests.
pub fn reading(engine: Program) -> Reading {
    Reading { threads: 2, chunk: 64 << 10, engine, hear: Arc::new(|_: &str| {}), parent: None }
}

/// All bytes of a snapshot.
fn read(snapshot: &dyn Snapshot, stop: &Stop) -> Result<Vec<u8>> {
    let members = snapshot.members();
    assert!(members.iter().map(|m| m.phase).is_sorted(), "members come in restore order");
    let mut all = Vec::new();
    let mut pieces: std::collections::VecDeque<Piece> = snapshot.pieces().into();
    while let Some(piece) = pieces.pop_front() {
        let mut out = Kept::default();
        let read = snapshot.read(0, &piece, &mut out, stop)?;
        assert_eq!(read, out.told, "{}", members[piece.member].title());
        all.extend(out.bytes);
        pieces.extend(out.more);
    }
    Ok(all)
}

/// One moment, and the next one has what was written meanwhile; `holds` says whether the bytes hold
/// row 100, which `write` adds. What the snapshot said of itself is returned.
pub fn a_program_keeps_the_contract(
    spec: &SourceSpec,
    engine: Program,
    write: &dyn Fn(),
    holds: &dyn Fn(&[u8]) -> bool,
) {
    let stop = Stop::new();
    let source = open(spec, "suite", &World::real(), &stop).unwrap();
    let program = source.engine(engine, &stop).unwrap().expect("a program");
    assert!(program.title.contains(' '), "name and version: {}", program.title);
    let snapshot = source.snapshot(reading(engine), &stop).unwrap();
    write();
    let bytes = read(snapshot.as_ref(), &stop).unwrap();
    snapshot.finish(&stop).unwrap();
    let about = snapshot.about();
    // mysqldump begins its transaction when it is first read, and says its position then.
    let begins_later = engine == Program::Mysqldump;
    assert!(!bytes.is_empty());
    assert!(begins_later || !holds(&bytes), "{engine:?}: what was written later is not there");
    assert_eq!((about.inconsistent.len(), about.lost.len()), (0, 0), "{about:?}");
    assert_eq!(about.version, source.probe(&stop).unwrap().version);
    drop(snapshot);
    let next = source.snapshot(reading(engine), &stop).unwrap();
    assert!(holds(&read(next.as_ref(), &stop).unwrap()), "{engine:?}: the next one has it");
    next.finish(&stop).unwrap();
}

/// The files of a server: they come whole, with where the server's log stood.
pub fn files_keep_the_contract(spec: &SourceSpec) {
    let stop = Stop::new();
    let source = open(spec, "suite", &World::real(), &stop).unwrap();
    assert_eq!(source.origin(&stop).unwrap(), source.origin(&stop).unwrap());
    let snapshot = source.snapshot(reading(Program::Basebackup), &stop).unwrap();
    let bytes = read(snapshot.as_ref(), &stop).unwrap();
    snapshot.finish(&stop).unwrap();
    let about = snapshot.about();
    assert!(bytes.len() > 1 << 20, "{} bytes", bytes.len());
    assert!(about.position.is_some() && about.estimate > 0, "{about:?}");
    assert_eq!((about.inconsistent.len(), about.lost.len()), (0, 0), "{about:?}");
    a_stop_ends_every_call(spec, Program::Basebackup);
}

/// Every call of a source that was told to stop.
pub fn a_stop_ends_every_call(spec: &SourceSpec, engine: Program) {
    let live = Stop::new();
    let source = open(spec, "suite", &World::real(), &live).unwrap();
    let snapshot = source.snapshot(reading(engine), &live).unwrap();
    let piece = snapshot.pieces()[0];
    live.stop();
    let kinds = [
        ("probe", source.probe(&live).err().map(|e| e.kind)),
        ("origin", source.origin(&live).err().map(|e| e.kind)),
        ("examine", source.examine(Purpose::default(), &live).err().map(|e| e.kind)),
        ("snapshot", source.snapshot(reading(engine), &live).err().map(|e| e.kind)),
        ("target", source.target(1, &live).err().map(|e| e.kind)),
        ("read", snapshot.read(0, &piece, &mut Kept::default(), &live).err().map(|e| e.kind)),
        ("finish", snapshot.finish(&live).err().map(|e| e.kind)),
    ];
    for (call, kind) in kinds {
        // Whole clusters are no targets at all.
        let refused = call == "target" && engine == Program::Basebackup;
        let wanted = if refused { ErrorKind::Refused } else { ErrorKind::Stopped };
        assert!(kind == Some(wanted) || kind == Some(ErrorKind::Stopped), "{call}: {kind:?}");
    }
    assert!(open(spec, "suite", &World::real(), &live).is_err());
}

/// Once `cut` ended every connection, neither a read nor the end of the view succeeds.
pub fn a_lost_connection_is_an_error(spec: &SourceSpec, cut: &dyn Fn()) {
    let stop = Stop::new();
    let source = open(spec, "suite", &World::real(), &stop).unwrap();
    let snapshot = source.snapshot(reading(Program::Native), &stop).unwrap();
    cut();
    let rows = |piece: &Piece| snapshot.members()[piece.member].kind == Kind::Rows;
    let piece = snapshot.pieces().into_iter().find(rows).expect("rows");
    let read = snapshot.read(0, &piece, &mut Kept::default(), &stop).unwrap_err();
    assert_ne!(read.kind, ErrorKind::Stopped, "{read}");
    assert!(snapshot.finish(&stop).is_err(), "the view did not hold to the end");
    drop(snapshot);
    // The next one has connections of its own.
    let next = source.snapshot(reading(Program::Native), &stop).unwrap();
    read_whole(next.as_ref(), &stop);
}

fn read_whole(snapshot: &dyn Snapshot, stop: &Stop) {
    assert!(!read(snapshot, stop).unwrap().is_empty());
    snapshot.finish(stop).unwrap();
}
