//! History files: from which timelines one comes, and where it parted from each.
//!
//! Source: `src/backend/access/transam/timeline.c`. A line is a timeline, a place, and a reason for
//! people.

use crate::source::postgres::wal::name::Lsn;

/// Of a timeline: those that it comes from, the oldest first, and where each was left.
pub type Ancestry = Vec<(u32, Lsn)>;

/// Reads the history file of a timeline.
pub fn parse_history(timeline: u32, bytes: &[u8]) -> Result<Ancestry, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let mut found: Ancestry = Vec::new();
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let mut words = line.split_whitespace();
        let own = words.next().and_then(|word| word.parse::<u32>().ok());
        let place = words.next().and_then(|word| word.parse::<Lsn>().ok());
        let (Some(own), Some(place)) = (own, place) else {
            return Err(format!("{line:?} names no timeline and place"));
        };
        let last = found.last().copied().unwrap_or((0, Lsn(0)));
        if own <= last.0 || own >= timeline || place < last.1 {
            return Err(format!("{line:?} is out of order"));
        }
        found.push((own, place));
    }
    match found.is_empty() {
        true => Err("it names no timeline that it comes from".into()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_in_order_or_refused() {
        let text = b"1\t0/3000148\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-01-01 00:00:00+00\n";
        assert_eq!(parse_history(3, text), Ok(vec![(1, Lsn(0x300_0148)), (2, Lsn(0x500_0000))]));
        for bad in [
            &b""[..],
            b"# nothing\n",
            b"1 x\n",
            b"3\t0/1\tx\n",
            b"2\t0/5\n1\t0/6\n",
            b"1\t0/5\n2\t0/4\n",
            b"\xff",
        ] {
            assert!(parse_history(3, bad).is_err(), "{bad:?}");
        }
    }
}
