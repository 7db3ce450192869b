//! Whether the pieces that RMAN wrote and vex sent are a backup that can be restored.
//!
//! Asks nobody: what the database said of the pieces is held against what was sent and what the
//! stores have. Invariant: what could not be recovered is refused before a head lists it.

use jiff::Timestamp;

use crate::artifact::{Head, Holds, ObjectLine, PieceLine};
use crate::job::RmanLevel;
use crate::recover::{Fault, gaps, hole};
use crate::source::contract::{Error, ErrorKind};
use crate::step::copies::PieceCopy;
use crate::step::perform::Steps;
use crate::step::piece_send::Sent;
use crate::step::rman::{Run, Written};
use crate::step::rman_parent::RmanGround;

impl Steps {
    /// Whether the pieces are a backup: each that the database knows was sent, and nothing else; the
    /// increment adds to the backup that it is to add to.
    pub(super) fn judge_pieces(
        &self,
        run: &Run<'_>,
        written: Written,
        level: RmanLevel,
        ground: &RmanGround,
    ) -> Result<Written, Fault> {
        let failed = |c: &PieceCopy| c.failed.lock().expect("no panic while locked").is_some();
        if written.copies.iter().all(failed) {
            // Each store has its line; what RMAN wrote is of no use.
            return Ok(written);
        }
        let doing = format!("back up {}", run.oracle.instance().place());
        let refuse = |found: String, hint: &str| {
            Err(Fault::Source(Error::new(ErrorKind::Damaged, &doing, found).hint(hint)))
        };
        let again = "Look at the log of RMAN in the log of this run, and run it again.";
        for (handle, (bytes, _)) in &written.facts {
            match written.sent.iter().find(|s| s.path.as_os_str() == handle.as_str()) {
                None => return refuse(format!("{handle} was written and never named"), again),
                Some(sent) if sent.file_bytes() != *bytes => {
                    let found =
                        format!("{handle} has {} bytes instead of {bytes}", sent.file_bytes());
                    return refuse(found, again);
                }
                Some(_) => {}
            }
        }
        let unknown = |s: &&Sent| !written.facts.contains_key(&s.path.display().to_string());
        if let Some(sent) = written.sent.iter().find(unknown) {
            return refuse(format!("the database does not know {}", sent.path.display()), again);
        }
        let lines = || written.facts.values().map(|(_, line)| line);
        for (holds, what) in
            [(Holds::Data, "data files"), (Holds::Logs, "logs"), (Holds::Control, "control file")]
        {
            if !lines().any(|line| line.holds == holds) {
                return refuse(format!("no piece holds {what}"), again);
            }
        }
        let adds_to = ground.parent.as_ref().filter(|_| level == RmanLevel::Incremental);
        if let Some(parent) = adds_to {
            let since = lines().filter(|l| l.holds == Holds::Data).map(|l| l.from).max();
            let until = parent.head.pieces().map(|(_, l)| l).filter(|l| l.holds == Holds::Data);
            let until = until.map(|line| line.to).max();
            if since > until {
                let found = format!(
                    "the increment adds to a backup that vex did not make: it begins at SCN {}, and {} ends at {}",
                    since.unwrap_or_default(),
                    parent.head.id,
                    until.unwrap_or_default()
                );
                let hint = "Another job backs up this database with RMAN at level 0 or 1: let one of the two do it, and run a FULL.";
                return refuse(found, hint);
            }
        }
        Ok(written)
    }

    /// Whether the logs of the time in which the data files were read are there: with those of what
    /// it adds to, and with nothing else, the backup can be recovered.
    pub(super) fn with_logs(
        &self,
        run: &Run<'_>,
        mut written: Written,
        (level, started): (RmanLevel, Timestamp),
        ground: &RmanGround,
    ) -> Result<Written, Fault> {
        let object = |(handle, (bytes, line)): (&String, &(u64, PieceLine))| ObjectLine {
            key: handle.clone(),
            bytes: *bytes,
            sha256: String::new(),
            tail: String::new(),
            tail_from: 0,
            directory: 0,
            piece: Some(line.clone()),
        };
        let objects = written.facts.iter().map(object).collect();
        let head = Head { objects, ..self.rman_head(run, started, None, &written) };
        let before = ground.chain.iter().filter(|_| level == RmanLevel::Incremental);
        let heads: Vec<&Head> = before.chain([&head]).collect();
        let Some(found) = hole(&heads).filter(|_| !written.facts.is_empty()) else {
            let passed: Vec<&Head> = ground.earlier.iter().collect();
            let all: Vec<&Head> = passed.iter().copied().chain([&head]).collect();
            written.gaps = gaps(&all, &passed);
            return Ok(written);
        };
        let doing = format!("back up {}", run.oracle.instance().place());
        let found = format!("it could not be recovered: {found}");
        let hint = "Something else backs up or deletes archived logs while vex runs: let vex alone do it, and run it again.";
        Err(Fault::Source(Error::new(ErrorKind::Damaged, doing, found).hint(hint)))
    }
}
