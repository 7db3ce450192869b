//! What the words of a search mean in the reader's language and zone, where the catalog keeps
//! something in another form than it is shown.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::catalog::{Sought, moment};
use crate::view::format::{plain, word};
use crate::view::frame::Viewer;
use crate::view::list::search_words;

/// What the audit knows.
const ACTIONS: [&str; 9] = [
    "action-add-user",
    "action-change-user",
    "action-drill",
    "action-login",
    "action-logout",
    "action-refused",
    "action-remove-user",
    "action-run",
    "action-schedule",
];

/// From how many characters on a word may be the beginning of a verdict's.
const BEGINS: usize = 3;

/// The words of a search, and what each may stand for: verdicts, actions, a day.
pub fn sought(viewer: &Viewer, q: &str) -> Vec<Sought> {
    let of = |text: String| Sought {
        verdicts: (1..=3).filter(|v| begins(viewer, &text, *v)).collect(),
        actions: ACTIONS
            .into_iter()
            .filter(|a| plain(&viewer.say(a, &[])).contains(&text))
            .collect(),
        day: day(viewer, &text),
        text,
    };
    search_words(q).into_iter().map(of).collect()
}

fn begins(viewer: &Viewer, text: &str, verdict: u8) -> bool {
    text.len() >= BEGINS && plain(&word(viewer.lang(), verdict)).starts_with(text)
}

/// The first moment of the day that a word is, and that of the next.
fn day(viewer: &Viewer, text: &str) -> Option<(String, String)> {
    let read = |form: &str| Date::strptime(form, text).ok();
    let date = read("%d/%m/%Y").or_else(|| read("%Y-%m-%d"))?;
    let begins = |date: Date| {
        let zoned = date.to_zoned(viewer.reader.zone.clone()).ok()?;
        Some(moment(zoned.timestamp()))
    };
    Some((begins(date)?, begins(date.checked_add(1.day()).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::view::format::Reader;

    #[test]
    fn words_mean_what_is_shown() {
        let zone = jiff::tz::TimeZone::get("America/Porto_Velho").unwrap();
        let reader = Reader { lang: Lang::PtBr, zone };
        let now = "2026-11-20T12:00:52Z".parse().unwrap();
        let viewer = Viewer::of_report(reader, now, "host");
        let found = sought(&viewer, "Alert EXCLUIR 20/11/2026 er 31/02/2026");
        assert_eq!(found[0].verdicts, [2]);
        assert_eq!(found[1].actions, ["action-remove-user"]);
        let day = ("2026-11-20T04:00:00.000000Z".into(), "2026-11-21T04:00:00.000000Z".into());
        assert_eq!(found[2].day, Some(day));
        assert!(found[3].verdicts.is_empty(), "too short");
        assert_eq!(found[4].day, None);
    }
}
