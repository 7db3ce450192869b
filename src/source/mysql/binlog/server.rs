//! The binary log as a server sends it.
//!
//! Reads as nobody's replica: server id 0 ends where the log ends and throws no real replica out.
//! Asks MariaDB for events as they are, GTIDs included. Changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mysql::binlog::events::Event;
use mysql::prelude::Queryable;
use mysql::{BinlogDumpFlags, BinlogRequest, Row};

use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::binlog::frame::FORMAT;
use crate::source::mysql::binlog::segment::{FIRST, onward};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};

/// The server keeps no binary log.
const OFF: u16 = 1381;

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its bytes so far.
    pub size: u64,
}

/// A server, for its log.
pub struct BinlogServer {
    connector: Connector,
    flavor: Flavor,
}

impl BinlogServer {
    /// Asks a server who it is.
    pub fn open(spec: &MysqlSpec, stop: &Stop) -> Result<BinlogServer> {
        let connector = Connector::new(spec, stop)?;
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        Ok(BinlogServer { connector, flavor })
    }

    /// What messages call it.
    pub fn place(&self) -> &str {
        self.connector.place()
    }

    /// The files that it has, the oldest first.
    pub fn files(&self) -> Result<Vec<LogFile>> {
        let doing = format!("list the binary logs of {}", self.place());
        let mut connection = self.connector.session(&self.flavor, "ask")?;
        let rows: Vec<Row> = connection.query("SHOW BINARY LOGS").map_err(|error| {
            let is_off = matches!(&error, mysql::Error::MySqlError(e) if e.code == OFF);
            let error = wrap(&doing, error);
            match error.kind {
                _ if is_off => error.hint("Start the server with log_bin."),
                ErrorKind::Denied => error.hint(self.grant()),
                _ => error,
            }
        })?;
        let file = |row: &Row| {
            let name = row.get_opt::<String, _>(0)?.ok()?;
            Some(LogFile { name, size: row.get_opt::<u64, _>(1)?.ok()? })
        };
        let files: Option<Vec<LogFile>> = rows.iter().map(file).collect();
        files.ok_or_else(|| {
            Error::new(ErrorKind::Failed, doing, "the server's answer has no name and no size")
        })
    }

    /// What lets the user read the log.
    fn grant(&self) -> String {
        let monitor = match self.flavor.family {
            Family::Mariadb if self.flavor.number >= (10, 5) => "BINLOG MONITOR",
            Family::Mariadb | Family::Mysql => "REPLICATION CLIENT",
        };
        format!("GRANT REPLICATION SLAVE, {monitor} ON *.* to the user of vex.")
    }

    /// When the server began a file, in seconds since 1970.
    pub fn created(&self, file: &str, stop: &Stop) -> Result<u32> {
        let mut found = None;
        self.read(file, FIRST, stop, &mut |bytes| {
            let time = bytes.get(..4).and_then(|four| four.try_into().ok());
            if bytes.get(4) == Some(&FORMAT) {
                found = time.map(u32::from_le_bytes);
            }
            found.is_none()
        })?;
        found.ok_or_else(|| self.fail(file, "the server sends no format description".into()))
    }

    /// Hands over the events from a place of a file to the end of the log, as bytes, for as long as
    /// `take` says so.
    pub fn read(
        &self,
        file: &str,
        at: u64,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<()> {
        // No more than 32 bits can be asked for: what is behind them is read from the beginning.
        let is_far = u32::try_from(at).is_err();
        let position = if is_far { FIRST } else { at };
        let mut skipped = Skipped { at: FIRST, to: at };
        let mut connection = self.connector.follower()?;
        if self.flavor.family == Family::Mariadb {
            run(&mut connection, "SET @mariadb_slave_capability=4", "prepare to read the log")?;
        }
        let request = BinlogRequest::new(0)
            .with_filename(file.as_bytes())
            .with_pos(position)
            .with_flags(BinlogDumpFlags::BINLOG_DUMP_NON_BLOCK);
        let doing = format!("read {file} from byte {at} of {}", self.place());
        let denied = |error: mysql::Error| {
            let error = wrap(&doing, error);
            if error.kind == ErrorKind::Denied { error.hint(self.grant()) } else { error }
        };
        let mut stream = connection.get_binlog_stream(request).map_err(denied)?;
        loop {
            stop.check()?;
            // The reader below us panics on an event that says more bytes than it has.
            let next = catch_unwind(AssertUnwindSafe(|| stream.next())).map_err(|_| {
                self.fail(file, "the server sent an event that is not whole".into())
            })?;
            match next {
                None => return Ok(()),
                Some(Err(error)) => return Err(denied(error)),
                Some(Ok(event)) => {
                    let event = bytes(&event);
                    if is_far && skipped.has(&event) {
                        continue;
                    }
                    if !take(&event) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// An error about a file.
    pub fn fail(&self, file: &str, found: String) -> Error {
        Error::new(ErrorKind::Failed, format!("read {file} of {}", self.place()), found)
    }
}

/// What of a file is passed over.
struct Skipped {
    at: u64,
    to: u64,
}

impl Skipped {
    /// Whether an event stands before what is wanted; what stands in no place is not passed over.
    fn has(&mut self, event: &[u8]) -> bool {
        let four = |at: usize| event.get(at..at + 4).and_then(|four| four.try_into().ok());
        let (Some(size), Some(next), Some(flags)) = (four(9), four(13), event.get(17..19)) else {
            return false;
        };
        let (size, next) = (u32::from_le_bytes(size), u32::from_le_bytes(next));
        let is_made_up = flags[0] & 0x20 != 0 || matches!(event[4], 27 | 41);
        if is_made_up || self.at >= self.to {
            return false;
        }
        self.at = match next {
            0 => self.at + u64::from(size),
            low => onward(self.at, low),
        };
        event[4] != FORMAT
    }
}

/// An event as it came.
fn bytes(event: &Event) -> Vec<u8> {
    let header = event.header();
    let mut bytes = Vec::with_capacity(header.event_size() as usize);
    bytes.extend(header.timestamp().to_le_bytes());
    bytes.push(header.event_type_raw());
    bytes.extend(header.server_id().to_le_bytes());
    bytes.extend(header.event_size().to_le_bytes());
    bytes.extend(header.log_pos().to_le_bytes());
    bytes.extend(header.flags_raw().to_le_bytes());
    bytes.extend(event.data());
    if header.event_type_raw() == FORMAT
        && let Ok(Some(algorithm)) = event.footer().get_checksum_alg()
    {
        bytes.push(algorithm as u8);
    }
    bytes.extend(event.checksum().into_iter().flatten());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::binlog::frame::tests::{event, format, made_up};

    #[test]
    fn what_stands_before_a_place_beyond_four_gib_is_passed_over() {
        let far = (4 << 30) + 1000;
        let mut skipped = Skipped { at: FIRST, to: far };
        let named = |next: u64| event(16, 1, next as u32, &[0; 8]);
        assert!(!skipped.has(&format(1)), "it says how the others are written");
        assert!(!skipped.has(&made_up(4, &[0; 8])));
        for next in [1 << 20, 1 << 31, (4 << 30) - 5, (4 << 30) + 500, far] {
            assert!(skipped.has(&named(next)), "{next}");
        }
        assert!(!skipped.has(&named(far + 31)));
        assert!(!skipped.has(&named(far + 62)));
    }
}
