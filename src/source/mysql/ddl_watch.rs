//! Looks out for a DDL that waits for the guard, and gives way to it.
//!
//! A DDL that waits for a metadata lock makes every later statement on that table wait behind it: a
//! dump of hours must not do that to an application. So once a second the process list is read, and
//! when somebody has waited for `ddl-wait`, the guard releases all locks (`metadata_locks.rs`).
//! Needs PROCESS to see others; without it nobody is seen, and a DDL waits until its table is read.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::Stop;
use crate::source::mysql::metadata_locks::Sessions;

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// The longest wait for a metadata lock, in seconds.
const WAITS: &str = "SELECT MAX(TIME) FROM information_schema.PROCESSLIST WHERE STATE='Waiting for table metadata lock'";

/// The one that looks out, until it is dropped.
pub struct DdlWatch {
    over: Stop,
    thread: Option<JoinHandle<()>>,
}

impl DdlWatch {
    /// Looks out on `connection` for those who wait for `sessions`.
    pub fn begin(mut connection: Conn, sessions: Arc<Sessions>, patience: Duration) -> DdlWatch {
        let over = Stop::new();
        let stop = over.clone();
        let look = move || {
            while stop.sleep(PERIOD).is_ok() {
                // The look-out is a courtesy: if its connection is gone, the dump goes on without.
                let Ok(waited) = connection.query_first::<Option<u64>, _>(WAITS) else { return };
                if waited.flatten().is_some_and(|seconds| seconds >= patience.as_secs()) {
                    sessions.locks.give_way();
                    // A session that is gone holds nothing; the end of the dump will notice.
                    drop(sessions.release_idle());
                    return;
                }
            }
        };
        DdlWatch { over, thread: Some(std::thread::spawn(look)) }
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
