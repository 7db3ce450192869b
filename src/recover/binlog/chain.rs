//! Which segments follow each other from a place on, and where that ends.
//!
//! Pure. Invariant: nothing can stand between two segments of a chain.

use crate::recover::binlog::name::BinlogName;

/// Segments that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The segments.
    pub names: Vec<BinlogName>,
    /// A later segment that nothing leads to: something is missing before it.
    pub broken: Option<BinlogName>,
}

/// The segment that leads further from one on.
fn next<'n>(own: &BinlogName, names: &'n [BinlogName]) -> Option<&'n BinlogName> {
    let same = |name: &&BinlogName| name.file == own.file && name.created == own.created;
    let further = |name: &&BinlogName| {
        name.start <= own.end
            && (name.end > own.end || name.end == own.end && name.is_last && !own.is_last)
    };
    let within = names.iter().filter(same).filter(further);
    within.max_by_key(|name| (name.end, name.is_last)).or_else(|| {
        // A file that came between is of a log that was begun anew.
        let later = names.iter().filter(|name| name.created >= own.created && !same(name));
        let first = later.clone().filter(|name| own.leads_to(name)).min_by_key(|n| n.created)?;
        let is_between =
            |name: &&BinlogName| name.created < first.created && name.created > own.created;
        let ahead = later.filter(is_between).count();
        (ahead == 0).then(|| {
            let begins = names.iter().filter(|n| {
                n.file == first.file && n.created == first.created && n.start == first.start
            });
            begins.max_by_key(|n| (n.end, n.is_last)).unwrap_or(first)
        })
    })
}

/// The chain that begins with what holds a byte of a file; `None` where nothing does.
pub fn chain(names: &[BinlogName], file: (&str, u32), at: u64) -> Option<Chain> {
    let own = |name: &&BinlogName| (name.file.as_str(), name.created) == file;
    let holds = |name: &&BinlogName| name.start < at && at <= name.end;
    let first = names.iter().filter(own).filter(holds).max_by_key(|name| (name.end, name.is_last));
    let begins = |name: &&BinlogName| name.start == at;
    let first = first.or_else(|| names.iter().filter(own).filter(begins).max_by_key(|n| n.end))?;
    let mut chain = vec![first.clone()];
    while let Some(name) = chain.last().and_then(|last| next(last, names)) {
        chain.push(name.clone());
    }
    let last = chain.last()?;
    let broken = names.iter().find(|name| {
        name.created > last.created
            || (name.created == last.created && name.file == last.file && name.start > last.end)
    });
    Some(Chain { broken: broken.cloned(), names: chain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<BinlogName> {
        all.iter().map(|text| BinlogName::parse(&format!("{text}.zip")).expect("a name")).collect()
    }

    #[test]
    fn a_chain_goes_on_as_long_as_nothing_can_be_missing() {
        let all = names(&[
            "0000000007-b.000001/000000000004-000000000200",
            "0000000007-b.000001/000000000200-000000000300",
            "0000000007-b.000001/000000000200-000000000400-last",
            "0000000009-b.000002/000000000004-000000000500",
            "0000000009-b.000002/000000000600-000000000700",
            "0000000001-b.000002/000000000004-000000000900-last",
        ]);
        let of = |at: u64| chain(&all, ("b.000001", 7), at);
        let found = of(150).expect("a chain");
        let ends: Vec<u64> = found.names.iter().map(|name| name.end).collect();
        assert_eq!(ends, [200, 400, 500]);
        assert_eq!(found.broken.as_ref(), Some(&all[4]));
        assert_eq!(of(200).expect("a chain").names[0].end, 200, "what is before is known too");
        assert_eq!(of(401), None);
        assert_eq!(chain(&all, ("b.000001", 8), 150), None);
    }

    #[test]
    fn a_log_that_was_begun_anew_never_goes_on_with_a_number_that_came_again() {
        let all = names(&[
            "0000000007-b.000001/000000000004-000000000200-last",
            "0000000020-b.000001/000000000004-000000000200-last",
            "0000000021-b.000002/000000000004-000000000200",
        ]);
        let found = chain(&all, ("b.000001", 7), 10).expect("a chain");
        assert_eq!((found.names.len(), found.broken.is_some()), (1, true));
        assert_eq!(chain(&all, ("b.000001", 20), 10).expect("a chain").names.len(), 2);
    }
}
