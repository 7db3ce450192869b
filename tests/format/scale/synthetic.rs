//! A source of as many tables and chunks as one likes, and a target that only counts.

use std::collections::HashMap;
use std::sync::Mutex;

use vex::testing::artifact::{Dialect, Kind, Member, Phase, Proof, RowDigest, SqlError, read_rows};
use vex::testing::base::Stop;
use vex::testing::source::contract::{
    About, Load, Loading, Out, Piece, Proven, Refused, Result, Snapshot, Target, Terms,
};

/// Tables of each database.
const TABLES: usize = 5;

/// Members of so many tables: databases, definitions, rows.
pub fn members(tables: usize) -> Vec<Member> {
    let unit = |table: usize| format!("db{:05}_{}", table / TABLES, "x".repeat(40));
    let name = |table: usize| format!("t{table:05}");
    let of = |kind, phase| (0..tables).map(move |t| Member::new(&unit(t), &name(t), kind, phase));
    of(Kind::Table, Phase::Before).chain(of(Kind::Rows, Phase::Data)).collect()
}

/// A view of tables that have so many chunks each.
pub struct Synthetic {
    members: Vec<Member>,
    /// Chunks of each table.
    pub chunks: usize,
    /// Bytes of a chunk, about.
    pub chunk: usize,
}

impl Synthetic {
    pub fn new(tables: usize, chunks: usize) -> Synthetic {
        Synthetic { members: members(tables), chunks, chunk: 128 }
    }

    /// All entries it gives.
    pub fn entries(&self) -> u64 {
        (self.members.len() / 2 * (self.chunks + 1)) as u64
    }
}

/// Rows and digest of a script.
pub fn proof(script: &[u8]) -> Proof {
    let mut digest = RowDigest::new();
    let take = &mut |_: &[u8], values: &[vex::testing::artifact::Value<'_>]| {
        for value in values {
            let (tag, bytes) = value.parts();
            digest.value(tag, bytes);
        }
        digest.end_row();
        Ok::<(), SqlError>(())
    };
    read_rows(Dialect::Mysql, script, take).unwrap();
    digest.take()
}

impl Snapshot for Synthetic {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        (0..self.members.len()).map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        2
    }

    fn read(&self, _: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        let (member, mut sum) = (&self.members[piece.member], Proof::default());
        if member.kind == Kind::Table {
            let mut bytes = out.buffer()?;
            let text = format!("CREATE TABLE `{}` (`a` INT, `b` TEXT);\n", member.name);
            bytes.extend_from_slice(text.as_bytes());
            out.chunk(bytes, Proof::default())?;
            return Ok(sum);
        }
        for number in 0..self.chunks {
            stop.check()?;
            let mut bytes = out.buffer()?;
            let (table, one, two) = (&member.name, 2 * number, 2 * number + 1);
            let text = format!(
                "INSERT INTO `{table}` (`a`,`b`) VALUES\n({one},'{table} of one'),\n({two},'{table} of two');\n"
            );
            bytes.extend_from_slice(text.as_bytes());
            let own = proof(&bytes);
            sum += own;
            out.chunk(bytes, own)?;
        }
        Ok(sum)
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        Ok(stop.check()?)
    }

    fn about(&self) -> About {
        let estimate = self.entries() * self.chunk as u64;
        About { version: "synthetic".into(), estimate, ..About::default() }
    }
}

/// A target that keeps nothing but counts.
#[derive(Default)]
pub struct Counted {
    /// By member: rows and their digest.
    loaded: Mutex<HashMap<Member, Proof>>,
}

impl Counted {
    /// How to load these members into it.
    pub fn loading(members: Vec<Member>) -> Loading {
        Loading {
            backup: "crafted".into(),
            members,
            rename: None,
            part: true,
            overwrite: false,
            scratch: true,
            server: "synthetic".into(),
            resume: false,
            staged: 0,
            position: None,
            terms: Terms::default(),
            map_collation: Vec::new(),
        }
    }
}

impl Target for Counted {
    fn existing(&self, _: &Loading, _: &Stop) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn prepare(&self, _: &Loading, _: &Stop) -> Result<()> {
        Ok(())
    }

    fn load(&self, _: usize, load: Load<'_>, _: &Stop) -> Result<()> {
        let own = match load.member.kind {
            Kind::Rows => proof(load.bytes),
            _ => Proof::default(),
        };
        *self.loaded.lock().unwrap().entry(load.member.clone()).or_default() += own;
        Ok(())
    }

    fn settle(&self, _: &Stop) -> Result<()> {
        Ok(())
    }

    fn prove(&self, _: usize, member: &Member, _: &Stop) -> Result<Proof> {
        Ok(self.loaded.lock().unwrap().get(member).copied().unwrap_or_default())
    }

    fn release(&self, _: &Proven, _: &Stop) -> Result<Vec<Refused>> {
        Ok(Vec::new())
    }

    fn missing(&self, _: &[Member], _: &Stop) -> Result<Vec<Member>> {
        Ok(Vec::new())
    }

    fn workers(&self) -> usize {
        2
    }
}
