//! Dates and times as PostgreSQL writes them: `DateStyle` ISO, time zone UTC.
//!
//! Pure. The proleptic Gregorian calendar, from 4713 BC to 294276; there is no year 0, 1 BC comes
//! before 1.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH: i64 = 730_425;

/// Days of 400 years.
const ERA: i64 = 146_097;

/// A `date`: days since 2000-01-01.
pub fn date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            let is_before = day(i64::from(days), out);
            era(is_before, out);
        }
    }
}

/// A `time`: microseconds since midnight; 24:00:00 is one.
pub fn time(micros: i64, out: &mut Vec<u8>) {
    clock(micros, out);
}

/// A `timestamp`: microseconds since 2000-01-01, and what stands for its zone.
pub fn timestamp(micros: i64, zone: &[u8], out: &mut Vec<u8>) {
    match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        micros => {
            let is_before = day(micros.div_euclid(DAY), out);
            out.push(b' ');
            clock(micros.rem_euclid(DAY), out);
            out.extend_from_slice(zone);
            era(is_before, out);
        }
    }
}

/// Writes year, month and day; says whether the year is one before Christ. Algorithm: Howard
/// Hinnant, *chrono-Compatible Low-Level Date Algorithms* (`civil_from_days`).
fn day(days: i64, out: &mut Vec<u8>) -> bool {
    let shifted = days + EPOCH;
    let (era, day) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA) as u32);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let rest = day - (365 * year + year / 4 - year / 100);
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + i64::from(year) + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    match u32::try_from(shown) {
        Ok(shown) if shown < 10_000 => {
            let ([a, b], [c, d]) = (pair(shown / 100), pair(shown % 100));
            out.extend_from_slice(&[a, b, c, d]);
        }
        _ => out.extend_from_slice(itoa::Buffer::new().format(shown).as_bytes()),
    }
    let ([a, b], [c, d]) = (pair(month), pair(day));
    out.extend_from_slice(&[b'-', a, b, b'-', c, d]);
    year <= 0
}

fn era(is_before: bool, out: &mut Vec<u8>) {
    if is_before {
        out.extend_from_slice(b" BC");
    }
}

/// Microseconds of a day.
fn clock(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    let ([a, b], [c, d], [e, f]) =
        (pair(seconds / 3600), pair(seconds / 60 % 60), pair(seconds % 60));
    out.extend_from_slice(&[a, b, b':', c, d, b':', e, f]);
    if fraction > 0 {
        let ([a, b], [c, d], [e, f]) =
            (pair(fraction / 10_000), pair(fraction / 100 % 100), pair(fraction % 100));
        out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Two digits of a number below 100.
fn pair(n: u32) -> [u8; 2] {
    [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn days_and_moments_are_written_as_the_server_does() {
        for (days, expected) in [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (-2_451_545, "4714-11-24 BC"),
            (2_921_940, "10000-01-01"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ] {
            assert_eq!(text(|out| date(days, out)), expected);
        }
        for (micros, expected) in [
            (0, "2000-01-01 00:00:00+00"),
            (-1, "1999-12-31 23:59:59.999999+00"),
            (1_500_000, "2000-01-01 00:00:01.5+00"),
            (10, "2000-01-01 00:00:00.00001+00"),
            (-63_082_281_600_000_001, "0001-12-31 23:59:59.999999+00 BC"),
            (i64::MAX, "infinity"),
        ] {
            assert_eq!(text(|out| timestamp(micros, b"+00", out)), expected);
        }
        assert_eq!(text(|out| time(DAY, out)), "24:00:00");
    }
}
