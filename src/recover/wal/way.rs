//! The way from a base backup to a point of the log, and what points are called.

use jiff::Timestamp;

use crate::source::wal::{Lsn, Point, Segment, What};

/// A recovery that can be done.
#[derive(Debug, Clone)]
pub struct Way {
    /// The segments that it reads, in order.
    pub segments: Vec<Segment>,
    /// The timeline that it follows.
    pub timeline: u32,
    /// Where it ends, if that is a point of the log.
    pub end: Option<Point>,
    /// The last point that comes back, as far as it was read.
    pub before: Option<Point>,
}

/// What a point is called.
pub fn called(point: &Point) -> String {
    let (time, at): (Timestamp, Lsn) = (point.time, point.at);
    match &point.what {
        What::Commit(xid) => format!("the commit of transaction {xid} of {time}, at {at}"),
        What::Abort(xid) => format!("the rollback of transaction {xid} of {time}, at {at}"),
        What::Named(name) => format!("the restore point {name} of {time}, at {at}"),
    }
}
