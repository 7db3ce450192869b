//! Whether a GTID is in a set of executed ones.
//!
//! Pure. What can't be read is in no set.

use crate::artifact::Position;

/// Whether a position has a transaction in it; `None` where GTIDs do not tell.
pub fn holds(position: &Position, gtid: &str) -> Option<bool> {
    match position {
        Position::Mysql { gtid: set, .. } if !set.is_empty() => {
            let (server, number) = gtid.rsplit_once(':')?;
            let number: u64 = number.parse().ok()?;
            Some(set.split(',').any(|own| in_ranges(own.trim(), server, number)))
        }
        Position::Mariadb { gtid: set, .. } if !set.is_empty() => {
            let (domain, _, number) = parts(gtid)?;
            let own = set.split(',').filter_map(|own| parts(own.trim())).find(|p| p.0 == domain)?;
            Some(number <= own.2)
        }
        _ => None,
    }
}

/// Whether `uuid:1-5:7` has a number of a server. A tag is a part of the server here.
fn in_ranges(set: &str, server: &str, number: u64) -> bool {
    let Some((own, ranges)) = set.split_once(':') else { return false };
    let mut named = own.to_lowercase();
    for range in ranges.split(':') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(from), Ok(to)) => {
                if named == server.to_lowercase() && (from..=to).contains(&number) {
                    return true;
                }
            }
            _ => named = format!("{}:{range}", own.to_lowercase()),
        }
    }
    false
}

/// Domain, server and number of a GTID of MariaDB.
fn parts(gtid: &str) -> Option<(u32, u32, u64)> {
    let mut parts = gtid.split('-');
    let found =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_its_ranges_do() {
        let mysql = |gtid: &str| Position::Mysql { file: "b".into(), offset: 4, gtid: gtid.into() };
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set =
            mysql(&format!("{uuid}:1-5:9:tag:1-3,4e11fa47-71ca-11e1-9e33-c80aa9429562:1-100"));
        for (number, expected) in
            [("5", true), ("6", false), ("9", true), ("tag:3", true), ("tag:4", false)]
        {
            assert_eq!(holds(&set, &format!("{uuid}:{number}")), Some(expected), "{number}");
        }
        assert_eq!(holds(&mysql(""), &format!("{uuid}:1")), None);
        let mariadb = Position::Mariadb { file: "b".into(), offset: 4, gtid: "0-1-7,1-2-3".into() };
        assert_eq!(holds(&mariadb, "0-3-7"), Some(true));
        assert_eq!(holds(&mariadb, "0-1-8"), Some(false));
        assert_eq!(holds(&mariadb, "5-1-8"), None);
    }
}
