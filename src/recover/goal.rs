//! Where a restore ends that goes on from a log, of whichever kind of server.

use crate::plan::RestoreSpec;
use crate::recover::binlog::{LogAim, log_aim};
use crate::recover::candidates::Candidates;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::recover::wal::{Aim, aim};

/// What is known of the log that a restore goes on from.
pub enum Goal {
    /// The write-ahead log of PostgreSQL.
    Wal(Aim),
    /// The binary log of MySQL or MariaDB.
    Binlog(LogAim),
}

impl Goal {
    /// Looks for what is asked for, and leaves of the candidates those from which it is reached.
    pub fn find(
        spec: &RestoreSpec,
        candidates: &mut Candidates,
        work: Work<'_>,
    ) -> Result<Option<Goal>, Fault> {
        if let Some(aim) = aim(spec, candidates, work)? {
            return Ok(Some(Goal::Wal(aim)));
        }
        Ok(log_aim(spec, candidates, work)?.map(Goal::Binlog))
    }

    /// That of a write-ahead log.
    pub fn wal(&self) -> Option<&Aim> {
        match self {
            Goal::Wal(aim) => Some(aim),
            Goal::Binlog(_) => None,
        }
    }

    /// That of a binary log.
    pub fn binlog(&self) -> Option<&LogAim> {
        match self {
            Goal::Binlog(aim) => Some(aim),
            Goal::Wal(_) => None,
        }
    }
}
