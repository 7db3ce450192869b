//! What stands around every page: menu, foot, language, theme, and when it was read.

use jiff::Timestamp;
use serde::Serialize;

use crate::lang::Lang;
use crate::view::address::{Address, Base};
use crate::view::format::{NONE, Reader};

/// Whether a theme is chosen, or the system's.
const THEMES: [(&str, &str); 3] =
    [("auto", "theme-auto"), ("light", "theme-light"), ("dark", "theme-dark")];

/// The frame of a page.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// `pt-BR` or `en`.
    pub lang: &'static str,
    /// Whether it is a file of a report.
    pub report: bool,
    /// How many folders below the report's; `None` on a server.
    pub depth: Option<usize>,
    /// Which item of the menu is here: `dashboard`, `backups`, `users`.
    pub here: &'static str,
    /// Whether it stands without a menu.
    pub alone: bool,
    /// When it was read, as shown.
    pub now: String,
    /// The same for programs.
    pub now_iso: String,
    /// The zone and its offset.
    pub zone: String,
    /// The zone.
    pub zone_name: String,
    /// The version of vex.
    pub version: &'static str,
    /// The machine that made it.
    pub host: String,
    /// Who is signed in.
    pub who: String,
    /// The privilege, in words.
    pub privilege: String,
    /// Whether that is an administrator.
    pub admin: bool,
    /// The token of the session's forms.
    pub csrf: String,
    /// Seconds after which the page looks again; 0 for never.
    pub poll: u32,
    /// Where changes are announced; empty for nowhere.
    pub stream: String,
    /// Says that the catalog is away; empty while it answers.
    pub away: String,
    /// `light`, `dark`, or empty for the system's.
    pub theme: String,
    /// The themes.
    pub themes: Vec<Choice>,
    /// The languages.
    pub languages: Vec<Language>,
    /// Words for the script.
    pub words: String,
}

/// One of several.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// Its value.
    pub value: String,
    /// What it is called.
    pub label: String,
    /// Whether it is chosen.
    pub on: bool,
}

/// A language and the way to it.
#[derive(Debug, Clone, Serialize)]
pub struct Language {
    /// `pt-BR` or `en`.
    pub code: &'static str,
    /// Its name in itself.
    pub name: &'static str,
    /// The same page in it.
    pub href: String,
    /// Whether the page is in it.
    pub on: bool,
}

/// Who looks at a page, and how.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Language and zone.
    pub reader: Reader,
    /// Where pages stand.
    pub base: Base,
    /// When the page is made.
    pub now: Timestamp,
    /// The machine that makes it.
    pub host: String,
    /// Who is signed in; empty for nobody.
    pub who: String,
    /// Whether that is an administrator.
    pub admin: bool,
    /// The token of the session's forms.
    pub csrf: String,
    /// `light`, `dark`, or empty.
    pub theme: String,
    /// The path of this page, for the switch of languages.
    pub path: String,
    /// Since when the catalog does not answer.
    pub away: Option<Timestamp>,
}

impl Viewer {
    /// Somebody who reads a report.
    pub fn of_report(reader: Reader, now: Timestamp, host: &str) -> Viewer {
        Viewer {
            reader,
            base: Base::Folder(0),
            now,
            host: host.to_owned(),
            who: String::new(),
            admin: false,
            csrf: String::new(),
            theme: String::new(),
            path: String::new(),
            away: None,
        }
    }

    /// The language.
    pub fn lang(&self) -> Lang {
        self.reader.lang
    }

    /// A sentence.
    pub fn say(&self, key: &str, parts: &[(&str, &str)]) -> String {
        self.reader.lang.say(key, parts)
    }

    /// The address of a place.
    pub fn to(&self, address: &Address) -> String {
        self.base.to(address)
    }

    /// The frame of a page at an item of the menu.
    pub fn frame(&self, here: &'static str) -> Frame {
        let reader = &self.reader;
        let report = matches!(self.base, Base::Folder(_));
        let privilege = match (self.who.is_empty(), self.admin) {
            (true, _) => String::new(),
            (false, true) => self.say("privilege-admin", &[]),
            (false, false) => self.say("privilege-client", &[]),
        };
        let chosen = if self.theme.is_empty() { "auto" } else { &self.theme };
        let theme = |(value, key): (&str, &str)| Choice {
            value: value.to_owned(),
            label: self.say(key, &[]),
            on: value == chosen,
        };
        let language = |(lang, name): (Lang, &'static str)| Language {
            code: lang.code(),
            name,
            href: format!("{}?lang={}", self.path, lang.code()),
            on: lang == reader.lang,
        };
        let away = self.away.map(|at| self.say("catalog-away", &[("time", &reader.clock(at))]));
        Frame {
            lang: reader.lang.code(),
            report,
            depth: match self.base {
                Base::Server => None,
                Base::Folder(depth) => Some(depth),
            },
            here,
            alone: false,
            now: reader.moment(self.now),
            now_iso: reader.machine(self.now),
            zone: reader.zone_text(self.now),
            zone_name: reader.zone_name(),
            version: env!("CARGO_PKG_VERSION"),
            host: self.host.clone(),
            who: self.who.clone(),
            privilege,
            admin: self.admin,
            csrf: self.csrf.clone(),
            poll: 0,
            stream: String::new(),
            away: away.unwrap_or_default(),
            theme: self.theme.clone(),
            themes: THEMES.into_iter().map(theme).collect(),
            languages: [(Lang::PtBr, "Português"), (Lang::En, "English")].map(language).into(),
            words: self.words(),
        }
    }

    /// A frame that looks again each minute.
    pub fn live(&self, here: &'static str) -> Frame {
        let frame = self.frame(here);
        if frame.report {
            return frame;
        }
        Frame { poll: 60, stream: "/eventos".to_owned(), ..frame }
    }

    /// Words that the script puts together, in its order.
    fn words(&self) -> String {
        let hole = |key: &str, names: &[(&str, &str)]| self.say(key, names);
        [
            hole("page-of", &[("n", "{n}"), ("m", "{m}")]),
            hole("within-of", &[("n", "{n}"), ("m", "{m}")]),
            hole("words-hours", &[("n", "{n}")]),
            hole("words-days", &[("n", "{n}")]),
            hole("copy", &[]),
            hole("copied", &[]),
            NONE.to_owned(),
            hole("verdict-success", &[]),
            hole("verdict-alert", &[]),
            hole("verdict-error", &[]),
        ]
        .join("|")
    }
}

/// A tab.
#[derive(Debug, Clone, Serialize)]
pub struct Tab {
    /// Where it leads.
    pub href: String,
    /// What it is called.
    pub label: String,
    /// How many there are.
    pub count: Option<u64>,
    /// Whether it is here.
    pub here: bool,
}

/// A column of a table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Column {
    /// What it is called.
    pub label: String,
    /// Its class.
    pub class: &'static str,
    /// Whether it can be sorted by.
    pub sort: bool,
    /// Where it is sorted by this column.
    pub href: String,
    /// `ascending` or `descending` where it is sorted by it.
    pub order: &'static str,
    /// Whether its name is for screen readers only.
    pub hidden: bool,
}

/// The foot of a table: how many, which page, and the ways to others.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pager {
    /// What is counted: `backups`.
    pub word: String,
    /// `81 backups`.
    pub count: String,
    /// `Página 1 de 9`.
    pub page: String,
    /// The page before.
    pub back: String,
    /// The page after.
    pub next: String,
}

/// Rows of a page of a list.
pub const PAGE: u64 = 10;

/// How many pages a list has in which so many were found; the first one is always there.
pub fn pages_of(found: u64) -> u64 {
    found.div_ceil(PAGE).max(1)
}

impl Pager {
    /// Of `total` things called `word`, the page `at` (from 1), `found` of which the search left;
    /// `to` is the address of a page.
    pub fn new(
        viewer: &Viewer,
        word: &str,
        (found, total): (u64, u64),
        at: u64,
        to: &dyn Fn(u64) -> String,
    ) -> Pager {
        let word = viewer.say(word, &[]);
        let pages = pages_of(found);
        let at = at.clamp(1, pages);
        let n = if found == total {
            total.to_string()
        } else {
            viewer.say("within-of", &[("n", &found.to_string()), ("m", &total.to_string())])
        };
        Pager {
            count: format!("{n} {word}"),
            page: viewer.say("page-of", &[("n", &at.to_string()), ("m", &pages.to_string())]),
            back: if at > 1 { to(at - 1) } else { String::new() },
            next: if at < pages { to(at + 1) } else { String::new() },
            word,
        }
    }
}
