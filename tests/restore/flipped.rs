//! Bits that fall over and objects that end early, anywhere in a store: what is listed and verified
//! as good comes back right, what is not says so, and nothing ends by a panic.
//!
//! `VEX_DAMAGE` says how many; CI takes a few.

use std::fs;
use std::path::PathBuf;

use crate::common::space::{Ran, Space, contents, files};

/// How often where nothing is said.
const FEW: u64 = 24;

/// Numbers that come again for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// A backup of three tables, sealed, in a folder.
fn backed_up() -> Space {
    let space = Space::new().env("SEAL", "CANARY-seal").job(
        "sources { sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"disk\" path=\"disk\" { keep last=9 } }\n\
         job \"j\" { dump \"app\" chunk=\"64KiB\" { archive { password (env)\"SEAL\" }; send \"disk\"; verify \"disk\" } }\n",
    );
    space.database(
        "app.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (a, b); CREATE VIEW w AS SELECT a FROM u;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(i * 7919) FROM n;
         INSERT INTO u VALUES (1, x'00ff'), (NULL, 2.5)",
    );
    space.back_up();
    space
}

/// An end that a person can do something with: no panic, no signal, no bug.
#[track_caller]
fn ends_well(ran: &Ran, harm: &str) {
    assert!(matches!(ran.code, 0 | 1 | 65 | 66), "{harm}: {ran:?}");
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("BUG"), "{harm}: {ran:?}");
}

#[test]
fn no_flipped_bit_and_no_cut_makes_a_false_good() {
    let count = std::env::var("VEX_DAMAGE").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let (space, mut chance) = (backed_up(), Chance(0x9e37_79b9_7f4a_7c15));
    let (expected, kept) = (contents(&space.path("app.db")), space.copy());
    let objects: Vec<PathBuf> = files(&space.path("disk"));
    let (mut cuts, mut found, mut harmless) = (0, 0, 0);
    for _ in 0..count {
        let path = &objects[chance.below(objects.len() as u64) as usize];
        let mut bytes = fs::read(path).unwrap();
        let at = chance.below(bytes.len() as u64) as usize;
        let bit = chance.below(8);
        let harm = match chance.below(5) {
            0 => {
                bytes.truncate(at);
                cuts += 1;
                format!("{} ends at {at}", path.display())
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                format!("{}: bit {bit} of byte {at}", path.display())
            }
        };
        fs::write(path, bytes).unwrap();
        ends_well(&space.run(&["list", "job.kdl", "--format", "json"]), &harm);
        let verified = space.run(&["verify", "job.kdl"]);
        ends_well(&verified, &harm);
        let into = space.path("back.db");
        let restored =
            space.run(&["restore", "job.kdl", "--into", &format!("sqlite:{}", into.display())]);
        ends_well(&restored, &harm);
        assert!(
            verified.code != 0 || restored.code == 0,
            "{harm}: good, and not restored {restored:?}"
        );
        match restored.code {
            0 => assert_eq!(contents(&into), expected, "{harm}: wrong rows without complaint"),
            _ => assert!(!into.exists(), "{harm}: a failed restore left a file in place"),
        }
        match verified.code {
            0 => harmless += 1,
            _ => found += 1,
        }
        space.put_back(&kept);
    }
    let line = format!(
        "figure {} flips and {cuts} cuts: {found} found by verify, {harmless} of no effect (all came back); 0 false goods\n",
        count - cuts
    );
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
}
