//! What a table's last VACUUM means for it now: nothing, VACUUM, or VACUUM FULL ANALYZE. Pure.
//!
//! Days are days of the calendar: from 23:59 to 00:01 is one.

use std::fmt;
use std::time::Duration;

/// Which table gets what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VacuumRule {
    /// Whether VACUUM FULL may be run.
    pub full: bool,
    /// Tables vacuumed fewer days ago are left alone.
    pub skip_below: u64,
    /// Tables vacuumed more days ago, or never, get VACUUM FULL ANALYZE.
    pub full_above: u64,
    /// How long a lock on a table may be waited for.
    pub lock_timeout: Duration,
}

/// What a table is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VacuumKind {
    /// It is left alone.
    Nothing,
    /// `VACUUM`.
    Plain,
    /// `VACUUM ANALYZE`, where FULL is not wanted.
    Analyze,
    /// `VACUUM FULL ANALYZE`.
    Full,
}

impl VacuumRule {
    /// What a table is due for whose last VACUUM was so many days ago; `None` for never.
    pub fn decide(&self, days: Option<i64>) -> VacuumKind {
        let above = |days: i64, bound: u64| i64::try_from(bound).is_ok_and(|bound| days > bound);
        let below = |days: i64, bound: u64| i64::try_from(bound).map_or(true, |bound| days < bound);
        match days {
            Some(days) if below(days, self.skip_below) => VacuumKind::Nothing,
            Some(days) if !above(days, self.full_above) => VacuumKind::Plain,
            Some(_) | None if self.full => VacuumKind::Full,
            Some(_) | None => VacuumKind::Analyze,
        }
    }
}

impl Default for VacuumRule {
    fn default() -> VacuumRule {
        VacuumRule {
            full: true,
            skip_below: 5,
            full_above: 10,
            lock_timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Display for VacuumRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VacuumRule { skip_below, full_above, lock_timeout, .. } = self;
        let most = self.decide(None).word();
        write!(
            f,
            "vacuumed less than {skip_below} d ago: left alone; up to {full_above} d ago: VACUUM; "
        )?;
        write!(f, "else {most}; a lock is waited for {} s", lock_timeout.as_secs())
    }
}

impl VacuumKind {
    /// The statement, as the control table names it; `None` for nothing.
    pub fn statement(self) -> Option<&'static str> {
        match self {
            VacuumKind::Nothing => None,
            VacuumKind::Plain => Some("VACUUM"),
            VacuumKind::Analyze => Some("VACUUM ANALYZE"),
            VacuumKind::Full => Some("VACUUM FULL ANALYZE"),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        self.statement().unwrap_or("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_since_the_last_vacuum_decide() {
        let usual = VacuumRule::default();
        let gentle = VacuumRule { full: false, ..usual };
        let weekly = VacuumRule { skip_below: 7, full_above: 7, ..usual };
        for (rule, days, expected) in [
            (usual, Some(-1), VacuumKind::Nothing),
            (usual, Some(0), VacuumKind::Nothing),
            (usual, Some(1), VacuumKind::Nothing),
            (usual, Some(4), VacuumKind::Nothing),
            (usual, Some(5), VacuumKind::Plain),
            (usual, Some(7), VacuumKind::Plain),
            (usual, Some(10), VacuumKind::Plain),
            (usual, Some(11), VacuumKind::Full),
            (usual, Some(400), VacuumKind::Full),
            (usual, None, VacuumKind::Full),
            (gentle, Some(4), VacuumKind::Nothing),
            (gentle, Some(10), VacuumKind::Plain),
            (gentle, Some(11), VacuumKind::Analyze),
            (gentle, None, VacuumKind::Analyze),
            (weekly, Some(6), VacuumKind::Nothing),
            (weekly, Some(7), VacuumKind::Plain),
            (weekly, Some(8), VacuumKind::Full),
        ] {
            assert_eq!(rule.decide(days), expected, "{rule}: {days:?}");
        }
    }
}
