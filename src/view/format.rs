//! Numbers and moments as a reader of one language in one zone sees them.
//!
//! Knows no page. Invariant: what is missing is `—`, what is zero is `0`; sizes have two decimals
//! and a point in every language (S116, C40).

use jiff::{Timestamp, tz::TimeZone};

use crate::lang::Lang;

/// What stands where there is nothing.
pub const NONE: &str = "—";

/// Who reads: a language and a zone.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The language of every word.
    pub lang: Lang,
    /// The zone of every moment.
    pub zone: TimeZone,
}

impl Reader {
    fn show(&self, at: Timestamp, pt: &str, en: &str) -> String {
        let form = match self.lang {
            Lang::PtBr => pt,
            Lang::En => en,
        };
        at.to_zoned(self.zone.clone()).strftime(form).to_string()
    }

    /// `20/07/2025 16:15:23`, or `2025-07-20 16:15:23`.
    pub fn moment(&self, at: Timestamp) -> String {
        self.show(at, "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
    }

    /// A moment with its offset: `20/07/2025 16:15 -04:00`.
    pub fn zoned(&self, at: Timestamp) -> String {
        self.show(at, "%d/%m/%Y %H:%M %:z", "%Y-%m-%d %H:%M %:z")
    }

    /// A moment of the catalog with its offset.
    pub fn zoned_of(&self, text: &str) -> String {
        parse(text).map_or_else(|| NONE.to_owned(), |at| self.zoned(at))
    }

    /// `20/07/2025`, or `2025-07-20`.
    pub fn day(&self, at: Timestamp) -> String {
        self.show(at, "%d/%m/%Y", "%Y-%m-%d")
    }

    /// `20/07`, or `07-20`.
    pub fn short_day(&self, at: Timestamp) -> String {
        self.show(at, "%d/%m", "%m-%d")
    }

    /// `16:15:23`.
    pub fn clock(&self, at: Timestamp) -> String {
        self.show(at, "%H:%M:%S", "%H:%M:%S")
    }

    /// `16:15`.
    pub fn minute(&self, at: Timestamp) -> String {
        self.show(at, "%H:%M", "%H:%M")
    }

    /// For programs: `2025-07-20T16:15:23-04:00`.
    pub fn machine(&self, at: Timestamp) -> String {
        self.show(at, "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%dT%H:%M:%S%:z")
    }

    /// A moment of the catalog as people read it.
    pub fn moment_of(&self, text: Option<&str>) -> String {
        text.and_then(parse).map_or_else(|| NONE.to_owned(), |at| self.moment(at))
    }

    /// The month of a moment of the catalog: `2026-11`.
    pub fn month(&self, text: &str) -> String {
        parse(text).map_or_else(|| "0000-00".to_owned(), |at| self.show(at, "%Y-%m", "%Y-%m"))
    }

    /// The year of a moment of the catalog.
    pub fn zone_year(&self, text: &str) -> String {
        parse(text).map_or_else(|| "0000".to_owned(), |at| self.show(at, "%Y", "%Y"))
    }

    /// The name of the zone: `America/Porto_Velho`.
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// The zone and its offset at a moment: `America/Porto_Velho, UTC−04:00`.
    pub fn zone_text(&self, at: Timestamp) -> String {
        let offset = at.to_zoned(self.zone.clone()).strftime("%:z").to_string();
        format!("{}, UTC{}", self.zone_name(), offset.replace('-', "−"))
    }

    /// A duration in words: `1 minuto 23 segundos`.
    pub fn spell(&self, seconds: i64) -> String {
        self.lang.duration(seconds)
    }
}

/// A moment as the catalog keeps it; `None` if it is none.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Seconds between two moments of the catalog.
pub fn seconds(from: Option<&str>, to: Option<&str>) -> Option<i64> {
    Some(parse(to?)?.as_second() - parse(from?)?.as_second())
}

/// `6.21 GB`, below one GB `853.10 MB`; powers of two.
pub fn size(bytes: u64) -> String {
    let mb = bytes as f64 / (1u64 << 20) as f64;
    match bytes {
        0 => NONE.to_owned(),
        b if b >= 1 << 30 => format!("{:.2} GB", mb / 1024.0),
        _ => format!("{mb:.2} MB"),
    }
}

/// How old something is, in at most two units: `51 s`, `7 h 0 min`, `12 d 5 h`.
pub fn age(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        86_400.. => format!("{} d {} h", s / 86_400, s / 3600 % 24),
        3600.. => format!("{} h {} min", s / 3600, s / 60 % 60),
        60.. => format!("{} min", s / 60),
        _ => format!("{s} s"),
    }
}

/// A limit, in its largest whole unit: `26 h`, `8 d`, `90 min`.
pub fn limit(seconds: i64) -> String {
    match seconds {
        s if s >= 172_800 && s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// A duration in lists: `6 min 16 s`, `1 h 52 min`.
pub fn short(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        3600.. => format!("{} h {} min", s / 3600, s / 60 % 60),
        60.. => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{s} s"),
    }
}

/// A number in groups of three: `48 211 904`, with narrow blanks that do not break.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A note as far as a row has room for it.
pub fn shorten(note: &str) -> String {
    const ROOM: usize = 160;
    match note.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", note[..end].trim_end()),
        None => note.to_owned(),
    }
}

/// Text as a search compares it: lower case, without accents.
pub fn plain(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
            'ú' | 'ù' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            other => other,
        })
        .collect()
}

/// The class of a verdict on pages: `ok`, `al`, `er`.
pub fn class(verdict: u8) -> &'static str {
    match verdict {
        1 => "ok",
        2 => "al",
        3 => "er",
        _ => "no",
    }
}

/// The word of a verdict.
pub fn word(lang: Lang, verdict: u8) -> String {
    match verdict {
        1 => lang.say("verdict-success", &[]),
        2 => lang.say("verdict-alert", &[]),
        3 => lang.say("verdict-error", &[]),
        _ => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_ages_and_numbers_are_as_the_figures_show_them() {
        assert_eq!(size(6_667_936_727), "6.21 GB");
        assert_eq!(size(894_535_270), "853.10 MB");
        assert_eq!(size(0), "—");
        assert_eq!([age(51), age(25_200), age(1_054_800)], ["51 s", "7 h 0 min", "12 d 5 h"]);
        assert_eq!([short(376), short(6732)], ["6 min 16 s", "1 h 52 min"]);
        assert_eq!([limit(93_600), limit(691_200), limit(5400)], ["26 h", "8 d", "90 min"]);
        assert_eq!(number(48_211_904), "48\u{202f}211\u{202f}904");
        assert_eq!(number(0), "0");
        assert_eq!(plain("Início ÀS Três"), "inicio as tres");
    }

    #[test]
    fn moments_are_of_the_zone_and_the_language() {
        let zone = TimeZone::get("America/Porto_Velho").expect("a zone");
        let at: Timestamp = "2025-07-20T20:15:23Z".parse().expect("a moment");
        let pt = Reader { lang: Lang::PtBr, zone: zone.clone() };
        assert_eq!(pt.moment(at), "20/07/2025 16:15:23");
        assert_eq!(pt.machine(at), "2025-07-20T16:15:23-04:00");
        assert_eq!(pt.zone_text(at), "America/Porto_Velho, UTC−04:00");
        let en = Reader { lang: Lang::En, zone };
        assert_eq!(en.moment(at), "2025-07-20 16:15:23");
        assert_eq!(en.moment_of(Some("not a moment")), "—");
    }
}
