//! Looks out for a DDL that waits for this dump, and gives way to it.
//!
//! A DDL that waits for a metadata lock makes every later statement on that table wait behind it: a
//! dump of hours must not do that to an application. So once a second the process list is read, and
//! when somebody has waited for `ddl-wait`, for a lock that a session of this dump holds, the guard
//! releases all locks (`metadata_locks.rs`). Who holds what is asked of the Performance Schema;
//! where it does not know, the waiting statement counts if it may touch a table of the dump. Needs
//! PROCESS to see others; without it nobody is seen, and a DDL waits until its table is read.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::Stop;
use crate::source::mysql::metadata_locks::Sessions;

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Who has waited for a metadata lock for so many seconds, and with what.
const WAITS: &str = "SELECT ID, INFO FROM information_schema.PROCESSLIST \
                    WHERE STATE='Waiting for table metadata lock' AND TIME>=";

/// How many locks on tables these sessions hold.
const HELD: &str = "SELECT COUNT(*) FROM performance_schema.threads o \
                   JOIN performance_schema.metadata_locks h ON h.OWNER_THREAD_ID=o.THREAD_ID \
                   WHERE h.OBJECT_TYPE='TABLE' AND h.LOCK_STATUS='GRANTED' AND o.PROCESSLIST_ID IN ";

/// Waits for a lock that no reader of a table lets through, on a table that these sessions hold.
/// Whoever waits behind such a one waits for it, not for the reader. The few that wait come first.
const WAITED_FOR: &str = "SELECT COUNT(*) FROM performance_schema.metadata_locks w \
                         STRAIGHT_JOIN performance_schema.threads t ON t.THREAD_ID=w.OWNER_THREAD_ID \
                         STRAIGHT_JOIN performance_schema.metadata_locks h \
                         ON h.OBJECT_SCHEMA=w.OBJECT_SCHEMA AND h.OBJECT_NAME=w.OBJECT_NAME \
                         STRAIGHT_JOIN performance_schema.threads o ON o.THREAD_ID=h.OWNER_THREAD_ID \
                         WHERE w.OBJECT_TYPE='TABLE' AND w.LOCK_STATUS='PENDING' \
                         AND w.LOCK_TYPE IN ('EXCLUSIVE', 'SHARED_NO_READ_WRITE') \
                         AND h.OBJECT_TYPE='TABLE' AND h.LOCK_STATUS='GRANTED' ";

/// The one that looks out, until it is dropped.
pub struct DdlWatch {
    over: Stop,
    thread: Option<JoinHandle<()>>,
}

impl DdlWatch {
    /// Looks out on `connection` for those who wait for `sessions`, none of which is at work yet.
    pub fn begin(connection: Conn, sessions: Arc<Sessions>, patience: Duration) -> DdlWatch {
        let over = Stop::new();
        let stop = over.clone();
        let own: Vec<String> = sessions
            .all()
            .map(|session| session.lock().expect("no panic while locked").session.to_string())
            .collect();
        let mut look =
            Look { connection, own: own.join(","), patience: patience.as_secs(), sessions };
        let watch = move || {
            while stop.sleep(PERIOD).is_ok() {
                match look.waits_for_us() {
                    Ok(false) => {}
                    Ok(true) => {
                        look.sessions.locks.give_way();
                        // A session that is gone holds nothing; the end of the dump will notice.
                        drop(look.sessions.release_idle());
                        return;
                    }
                    // The look-out is a courtesy: if its connection is gone, the dump goes on
                    // without.
                    Err(_) => return,
                }
            }
        };
        DdlWatch { over, thread: Some(std::thread::spawn(watch)) }
    }
}

impl Drop for DdlWatch {
    fn drop(&mut self) {
        self.over.stop();
        if let Some(thread) = self.thread.take() {
            // It has no panic of its own to tell.
            drop(thread.join());
        }
    }
}

/// What is looked at.
struct Look {
    connection: Conn,
    /// Numbers of our sessions, as a list of SQL.
    own: String,
    /// Seconds.
    patience: u64,
    sessions: Arc<Sessions>,
}

impl Look {
    /// Whether somebody has waited for one of our sessions for too long.
    fn waits_for_us(&mut self) -> mysql::Result<bool> {
        let waits: Vec<(u64, Option<Vec<u8>>)> =
            self.connection.query(format!("{WAITS}{}", self.patience))?;
        if waits.is_empty() {
            return Ok(false);
        }
        let who =
            waits.iter().map(|(session, _)| session.to_string()).collect::<Vec<_>>().join(",");
        match self.by_locks(&who) {
            Ok(Some(known)) => return Ok(known),
            // The user may not look.
            Ok(None) | Err(mysql::Error::MySqlError(_)) => {}
            Err(lost) => return Err(lost),
        }
        let may_be_ours = |statement: &Option<Vec<u8>>| {
            let text = statement.as_deref().map(String::from_utf8_lossy);
            text.is_none_or(|text| self.sessions.locks.may_hold_up(&text))
        };
        Ok(waits.iter().any(|(_, statement)| may_be_ours(statement)))
    }

    /// The same by the locks themselves; `None` where the server shows none of ours: the schema or
    /// its instrument is off.
    fn by_locks(&mut self, who: &str) -> mysql::Result<Option<bool>> {
        let own = &self.own;
        let held: Option<u64> = self.connection.query_first(format!("{HELD}({own})"))?;
        if held.is_none_or(|count| count == 0) {
            return Ok(None);
        }
        let both = format!("AND t.PROCESSLIST_ID IN ({who}) AND o.PROCESSLIST_ID IN ({own})");
        let waits: Option<u64> = self.connection.query_first(format!("{WAITED_FOR}{both}"))?;
        Ok(waits.map(|count| count > 0))
    }
}
