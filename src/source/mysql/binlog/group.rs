//! Where groups of events end: a transaction, a statement that is none of one, or what stands
//! between them.
//!
//! Invariant: an event that begins a group ends the one before it, whatever that was; a group that
//! is not understood to the end counts as open until then.

use crate::source::mysql::binlog::frame::Frame;

/// What the events so far were of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Group {
    /// No group.
    #[default]
    Between,
    /// A group that began, and may be one statement.
    Begun,
    /// A transaction.
    Inside,
}

const QUERY: u8 = 2;
const XID: u8 = 16;
const XA_PREPARE: u8 = 38;
const GTIDS: [u8; 3] = [33, 34, 42];
const PAYLOAD: u8 = 40;
const MARIADB_GTID: u8 = 162;
const COMPRESSED_QUERY: u8 = 165;

/// Whether a kind of event begins a group.
pub fn begins(kind: u8) -> bool {
    GTIDS.contains(&kind) || kind == MARIADB_GTID
}

/// Whether a kind of event stands in no group.
pub fn is_between(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 15 | 27 | 35 | 41 | 161 | 163 | 164)
}

impl Group {
    /// What it is after an event.
    pub fn after(self, frame: &Frame<'_>) -> Group {
        match frame.kind {
            kind if GTIDS.contains(&kind) => Group::Begun,
            MARIADB_GTID => match frame.body.get(12).is_some_and(|flags| flags & 1 != 0) {
                true => Group::Begun,
                false => Group::Inside,
            },
            XID | XA_PREPARE | PAYLOAD => Group::Between,
            QUERY => self.after_statement(statement(frame.body)),
            // Only long statements are compressed: none that begins or ends a transaction.
            COMPRESSED_QUERY => self.after_statement(b"-"),
            // The ends and beginnings of files, checkpoints.
            kind if is_between(kind) => self,
            _ if self == Group::Begun => Group::Begun,
            _ => Group::Inside,
        }
    }

    fn after_statement(self, text: &[u8]) -> Group {
        let is = |word: &[u8]| text.eq_ignore_ascii_case(word);
        let begins_with = |word: &[u8]| {
            text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
        };
        if is(b"COMMIT") || is(b"ROLLBACK") || begins_with(b"XA COMMIT") || begins_with(b"XA ROLLB")
        {
            return Group::Between;
        }
        match self {
            Group::Begun | Group::Between if is(b"BEGIN") || begins_with(b"XA START") => {
                Group::Inside
            }
            Group::Begun | Group::Between => Group::Between,
            Group::Inside => Group::Inside,
        }
    }
}

/// The statement of a query event.
pub fn statement(body: &[u8]) -> &[u8] {
    let schema = body.get(8).copied().unwrap_or(0) as usize;
    let status = body.get(11..13).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]) as usize);
    body.get(13 + status + schema + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::binlog::frame::Frames;
    use crate::source::mysql::binlog::frame::tests::{event, format};

    fn query(text: &str) -> Vec<u8> {
        let mut body = vec![0; 13];
        body.push(0);
        body.extend(text.as_bytes());
        event(QUERY, 1, 100, &body)
    }

    #[test]
    fn transactions_end_where_they_end_and_statements_at_once() {
        let mut frames = Frames::default();
        frames.first(&format(1)).expect("a format description");
        let gtid = event(33, 1, 100, &[0; 25]);
        let standalone = event(162, 1, 100, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let mariadb = event(162, 1, 100, &[0; 13]);
        let rows = event(30, 1, 100, &[0; 8]);
        let xid = event(XID, 1, 100, &[0; 8]);
        let all: [(&[Vec<u8>], Group); 7] = [
            (&[gtid.clone(), query("CREATE TABLE t (i INT)")], Group::Between),
            (&[gtid.clone(), query("BEGIN"), rows.clone()], Group::Inside),
            (&[gtid.clone(), query("BEGIN"), rows.clone(), xid.clone()], Group::Between),
            (&[gtid, query("BEGIN"), query("ROLLBACK TO `a`")], Group::Inside),
            (&[standalone, query("DROP TABLE t")], Group::Between),
            (&[mariadb.clone(), rows.clone(), query("COMMIT")], Group::Between),
            (&[mariadb, rows, query("INSERT INTO t VALUES (1)")], Group::Inside),
        ];
        for (events, expected) in all {
            let mut group = Group::default();
            for bytes in events {
                group = group.after(&frames.first(bytes).expect("an event"));
            }
            assert_eq!(group, expected, "{events:?}");
        }
    }
}
