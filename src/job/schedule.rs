//! A schedule: five cron fields (or `@daily` and its like) in a zone, and its next moment.
//!
//! Does not read the clock. croner decides the days of a DST change: a lost moment runs at the
//! first that exists, a doubled one runs once.

use croner::Cron;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// Moments that a gap is looked for among: a year of days.
const MOMENTS: usize = 366;

/// How far ahead a skipped hour is looked for.
const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A parsed schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// Parses cron fields; the error says what is wrong with them.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let cron: Cron = text.parse().map_err(|e: croner::errors::CronError| e.to_string())?;
        Ok(Schedule { text: text.to_owned(), cron })
    }

    /// The first moment after `now`, `None` when no calendar holds one.
    pub fn next(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.cron
            .find_next_occurrence(&now.to_zoned(zone.clone()), false)
            .ok()
            .map(|z| z.timestamp())
    }

    /// The longest gap between two of the next moments, as far as a year tells.
    pub fn longest_gap(&self, now: Timestamp, zone: &TimeZone) -> Option<SignedDuration> {
        let (mut at, mut longest) = (self.next(now, zone)?, None);
        for _ in 0..MOMENTS {
            let Some(next) = self.next(at, zone) else { break };
            longest = longest.max(Some(next.duration_since(at)));
            at = next;
        }
        longest
    }

    /// The first moment of the coming year that stands for one that the clock skips, when summer
    /// time begins. Nothing where it is due every other hour or more often.
    pub fn lost(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let end = now.checked_add(YEAR).ok()?;
        let hours = SignedDuration::from_hours(2);
        let changes = zone.following(now).map(|change| change.timestamp());
        changes.take_while(|change| *change < end).find(|change| {
            let moment = |back: SignedDuration| self.next(change.checked_sub(back).ok()?, zone);
            let is_often = moment(hours).is_none_or(|before| before < *change);
            let at = moment(SignedDuration::from_secs(1));
            !is_often && at == Some(*change) && !self.holds(*change, zone)
        })
    }

    /// Its parsed fields.
    pub(super) fn cron(&self) -> &Cron {
        &self.cron
    }

    /// Whether a moment is one of the pattern itself: not one that stands for a moment that a DST
    /// change has lost.
    pub fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.cron.is_time_matching(&at.to_zoned(zone.clone())).unwrap_or(false)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lost_hour_runs_once_and_an_impossible_day_never() {
        let zone = TimeZone::get("Europe/Paris").expect("in the database");
        let at = |s: &str| s.parse::<Timestamp>().expect("a moment");
        let nightly = Schedule::parse("30 2 * * *").expect("a schedule");
        let spring = nightly.next(at("2026-03-29T00:00:00Z"), &zone).expect("a moment");
        assert_eq!(spring, at("2026-03-29T01:00:00Z"));
        assert!(
            Schedule::parse("0 0 30 2 *")
                .expect("parses")
                .next(at("2026-01-01T00:00:00Z"), &zone)
                .is_none()
        );
        assert!(Schedule::parse("61 * * * *").is_err());
    }

    #[test]
    fn a_skipped_hour_is_foreseen_where_a_run_is_due_in_it() {
        let zone = TimeZone::get("Europe/Paris").expect("in the database");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a moment");
        let lost = |text: &str| Schedule::parse(text).expect("a schedule").lost(now, &zone);
        let spring = "2026-03-29T01:00:00Z".parse().ok();
        for text in ["30 2 * * *", "0 2 * * *", "59 2 * * 0", "30 2 29 3 *"] {
            assert_eq!(lost(text), spring, "{text}");
        }
        // Outside of it, on other days, or every hour.
        for text in
            ["0 3 * * *", "59 1 * * *", "30 2 * * 1", "30 2 28 3 *", "30 * * * *", "*/15 * * * *"]
        {
            assert_eq!(lost(text), None, "{text}");
        }
        let flat = TimeZone::get("America/Porto_Velho").expect("in the database");
        assert_eq!(Schedule::parse("30 2 * * *").expect("a schedule").lost(now, &flat), None);
    }
}
