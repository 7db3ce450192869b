//! A schedule in the words of other schedulers: `OnCalendar=` of systemd, and whether plain cron
//! fields say it.
//!
//! Made of the fields that croner has parsed, never of the text. What an engine can't say is an
//! error, not something near it. Sources: systemd.time(7); the day rule of croner, which is that of
//! Vixie cron (day of month or day of week, where both are given).

use croner::Cron;

use crate::job::schedule::Schedule;

/// Bits that croner sets for a value of a field: taken as it is, the first to the fifth of a
/// weekday in a month, the last one, the weekday nearest to a day (`src/component.rs` of croner 4,
/// which keeps their names to itself).
const ALL: u8 = 1;
const NTH: [u8; 5] = [1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5];
const LAST: u8 = 1 << 6;
const NEAREST: u8 = 1 << 7;

/// The days of the week as systemd calls them; 7 is Sunday again.
const WEEKDAYS: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Months, hours, minutes and days of a month in all.
const MONTHS: usize = 12;
const HOURS: usize = 24;
const SIXTY: usize = 60;
const DAYS: usize = 31;

/// What of a schedule another engine can't say.
pub type Unsaid = &'static str;

impl Schedule {
    /// The values of `OnCalendar=`; a moment of any of them is one of the schedule.
    pub fn on_calendar(&self, zone: Option<&str>) -> Result<Vec<String>, Unsaid> {
        let pattern = &self.cron().pattern;
        let time = format!(
            "{}:{}:{}",
            list(&pattern.hours.values(), HOURS),
            list(&pattern.minutes.values(), SIXTY),
            list(&pattern.seconds.values(), SIXTY),
        );
        let months = list(&pattern.months.values(), MONTHS);
        let zone = zone.map_or(String::new(), |zone| format!(" {zone}"));
        let line = |(weekday, day): (String, String)| {
            let weekday = if weekday.is_empty() { weekday } else { format!("{weekday} ") };
            format!("{weekday}*-{months}{day} {time}{zone}")
        };
        Ok(days(self.cron())?.into_iter().map(line).collect())
    }

    /// The five fields, where every cron reads them alike: no `L`, `W`, `#`, `+` or `?`, no
    /// seconds, no years.
    pub fn plain_fields(&self) -> Result<&str, Unsaid> {
        let pattern = &self.cron().pattern;
        if pattern.days.has_modifiers() || pattern.days_of_week.has_modifiers() {
            return Err("`L`, `W` and `#` are not said by plain cron fields");
        }
        if self.text().contains(['+', '?']) {
            return Err("`+` and `?` are not said by plain cron fields");
        }
        match self.text().split_whitespace().count() {
            5 => Ok(self.text()),
            1 if self.text().starts_with('@') => Ok(self.text()),
            _ => Err("seconds and years are not said by plain cron fields"),
        }
    }
}

/// Values as a list, `*` for all of them.
fn list(values: &[u16], all: usize) -> String {
    if values.len() == all {
        return "*".into();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

/// Pairs of weekday and day of month; a day that fits any pair is one of the schedule.
fn days(cron: &Cron) -> Result<Vec<(String, String)>, Unsaid> {
    let (of_month, of_week) = (days_of_month(cron)?, days_of_week(cron));
    let pattern = &cron.pattern;
    let any = || "-*".to_owned();
    Ok(match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
        (true, true) => vec![(String::new(), any())],
        (false, true) => of_month.into_iter().map(|day| (String::new(), day)).collect(),
        (true, false) => of_week,
        (false, false) if pattern.matches_dom_and_dow() => {
            if of_week.iter().any(|(_, day)| *day != any()) {
                return Err("a day of the month with `L` or `#` of a weekday at once");
            }
            let pair = |(weekday, _): &(String, String)| {
                of_month.iter().map(|day| (weekday.clone(), day.clone())).collect::<Vec<_>>()
            };
            of_week.iter().flat_map(pair).collect()
        }
        (false, false) => {
            let of_month = of_month.into_iter().map(|day| (String::new(), day));
            of_month.chain(of_week).collect()
        }
    })
}

fn days_of_month(cron: &Cron) -> Result<Vec<String>, Unsaid> {
    let days = &cron.pattern.days;
    if days.is_feature_enabled(NEAREST) || !days.get_set_values(NEAREST).is_empty() {
        return Err("`W`, the weekday nearest to a day");
    }
    let mut all = Vec::new();
    let given = days.get_set_values(ALL);
    if !given.is_empty() {
        all.push(format!("-{}", list(&given, DAYS)));
    }
    if days.is_feature_enabled(LAST) {
        all.push("~01".into());
    }
    Ok(all)
}

fn days_of_week(cron: &Cron) -> Vec<(String, String)> {
    let week = &cron.pattern.days_of_week;
    let names = |values: Vec<u16>| {
        let mut names: Vec<&str> = values.iter().map(|v| WEEKDAYS[usize::from(*v)]).collect();
        names.dedup();
        // Sunday is both 0 and 7.
        if names.len() > 1 && names.first() == names.last() {
            names.pop();
        }
        names.join(",")
    };
    let mut all = Vec::new();
    let mut add = |values: Vec<u16>, day: String| {
        if !values.is_empty() {
            all.push((names(values), day));
        }
    };
    add(week.get_set_values(ALL), "-*".into());
    for (nth, bit) in NTH.iter().enumerate() {
        let (from, to) = (nth * 7 + 1, (nth * 7 + 7).min(DAYS));
        add(week.get_set_values(*bit), format!("-{from:02}..{to:02}"));
    }
    add(week.get_set_values(LAST), "~07/1".into());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use jiff::{Timestamp, tz::TimeZone};

    use super::*;

    #[test]
    fn each_pattern_has_its_lines() {
        let of = |text: &str| Schedule::parse(text).expect("a schedule").on_calendar(None);
        for (text, lines) in [
            ("0 1 * * *", &["*-*-* 01:00:00"][..]),
            ("*/30 1,2 * 3 *", &["*-03-* 01,02:00,30:00"]),
            ("0 1 * * 1-6", &["Mon,Tue,Wed,Thu,Fri,Sat *-*-* 01:00:00"]),
            ("0 1 * * 0", &["Sun *-*-* 01:00:00"]),
            ("0 1 1 * 1", &["*-*-01 01:00:00", "Mon *-*-* 01:00:00"]),
            ("0 1 L * *", &["*-*~01 01:00:00"]),
            ("0 1 * * 5#2", &["Fri *-*-08..14 01:00:00"]),
            ("0 1 * * 5L", &["Fri *-*~07/1 01:00:00"]),
        ] {
            assert_eq!(
                of(text).as_deref(),
                Ok(lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
        assert!(of("0 1 15W * *").is_err());
        let plain = |text: &str| Schedule::parse(text).expect("a schedule").plain_fields().is_ok();
        assert!(plain("0 1 * * 1-6") && !plain("0 1 * * 5#2") && !plain("0 1 L * *"));
    }

    const ZONES: [&str; 10] = [
        "UTC",
        "America/Porto_Velho",
        "America/New_York",
        "America/St_Johns",
        "Europe/Paris",
        "Europe/London",
        "Asia/Kathmandu",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];

    /// Numbers that look random and are the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % end
        }

        fn field(&mut self, low: u64, high: u64) -> String {
            let mut one = || low + self.below(high - low + 1);
            let (a, b, c) = (one(), one(), one());
            match self.below(6) {
                0 | 1 => "*".into(),
                2 => a.to_string(),
                3 => format!("{a},{b}"),
                4 => format!("{}-{}", a.min(b), a.max(b)),
                _ => format!("*/{}", c.max(2)),
            }
        }

        fn pattern(&mut self) -> String {
            let days = match self.below(8) {
                0 => "L".into(),
                _ => self.field(1, 28),
            };
            let weekday = match self.below(8) {
                0 => format!("{}#{}", self.below(7), 1 + self.below(5)),
                1 => format!("{}L", self.below(7)),
                _ => self.field(0, 7),
            };
            let time = format!("{} {}", self.below(60), self.field(0, 23));
            format!("{time} {days} {} {weekday}", self.field(1, 12))
        }
    }

    /// The moments of a line from `base` on, as systemd has them.
    fn moments(line: &str, base: Timestamp, count: usize) -> Vec<Timestamp> {
        let output = std::process::Command::new("systemd-analyze")
            .args(["calendar", &format!("--iterations={count}")])
            .arg(format!("--base-time={}", base.strftime("%Y-%m-%d %H:%M:%S UTC")))
            .arg(line)
            .env("TZ", "UTC")
            .output()
            .expect("systemd-analyze starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{line}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let shown = text.lines().filter(|l| l.contains("elapse:") || l.contains("Iter. #"));
        let moment = |l: &str| {
            let words: Vec<&str> = l.split_whitespace().rev().take(3).collect();
            format!("{}T{}Z", words[2], words[1]).parse().ok()
        };
        shown.filter_map(moment).collect()
    }

    #[test]
    fn systemd_has_the_same_moments() {
        let count = |name: &str, small| {
            std::env::var(name).map_or(small, |text| text.parse().expect("a number"))
        };
        let (patterns, moments_each) = (count("VEX_SCHEDULES", 20), count("VEX_MOMENTS", 40));
        let base: Timestamp = "2026-01-01T00:00:30Z".parse().expect("a moment");
        let end: Timestamp = "2029-01-01T00:00:00Z".parse().expect("a moment");
        let (mut dice, mut compared) = (Dice(7), 0);
        for number in 0..patterns {
            let text = dice.pattern();
            let name = ZONES[number % ZONES.len()];
            let zone = TimeZone::get(name).expect("in the database");
            let schedule = Schedule::parse(&text).expect("a schedule");
            let mut found = BTreeSet::new();
            let mut horizon = end;
            for line in schedule.on_calendar(Some(name)).expect("can be said") {
                let all = moments(&line, base, moments_each);
                if all.len() == moments_each {
                    horizon = horizon.min(all[moments_each - 1]);
                }
                found.extend(all);
            }
            // A day of a change of time is another matter, and is told where units are printed.
            let ordinary = |at: &Timestamp| {
                let day = at.to_zoned(zone.clone()).date().to_zoned(zone.clone());
                let next = day.as_ref().ok().and_then(|day| day.tomorrow().ok());
                *at <= horizon
                    && matches!((day, next), (Ok(a), Some(b)) if a.offset() == b.offset())
            };
            let found: Vec<Timestamp> = found.into_iter().filter(ordinary).collect();
            let mut own = Vec::new();
            let mut at = base;
            while let Some(next) = schedule.next(at, &zone).filter(|next| *next <= horizon) {
                own.push(next);
                at = next;
            }
            own.retain(ordinary);
            assert_eq!(found, own, "{text} in {name}");
            compared += own.len();
        }
        assert!(compared > patterns * 5, "only {compared} moments were compared");
        let figure = format!(
            "figure {patterns} schedules in ten zones, {compared} moments: systemd has the same\n"
        );
        std::io::stdout().write_all(figure.as_bytes()).expect("standard output");
    }
}
