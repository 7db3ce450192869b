//! The list of backups: rows as shown, and the text that a search compares.

use serde::Serialize;

use crate::catalog::{ListQuery, ListedBackup, Order, Totals};
use crate::lang::Lang;
use crate::view::address::{Address, Base};
use crate::view::format::{NONE, Reader, class, plain, size, word};
use crate::view::frame::{Column, PAGE, Pager, Tab, Viewer};

/// A row of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its place in the list, from 1.
    pub n: u64,
    /// The machine.
    pub host: String,
    /// Job, source and databases.
    pub title: String,
    /// Its verdict: 1, 2, 3.
    pub verdict: u8,
    /// The class of that.
    pub k: &'static str,
    /// The word of that.
    pub word: String,
    /// Megabytes, to sort by.
    pub mb: String,
    /// Its size.
    pub size: String,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// The worst verdict of its copies; 0 where there is none.
    pub upload: u8,
    /// The class of that.
    pub upload_k: &'static str,
    /// The word of that.
    pub upload_word: String,
    /// Its page; empty where it has none.
    pub href: String,
    /// What that leads to.
    pub about: String,
}

/// The list.
#[derive(Debug, Clone, Serialize)]
pub struct List {
    /// Its tabs.
    pub tabs: Vec<Tab>,
    /// What is searched.
    pub q: String,
    /// What the form sends along.
    pub hidden: Vec<Hidden>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Its foot.
    pub pager: Pager,
    /// The export, as CSV.
    pub csv: String,
    /// The export, as JSON.
    pub json: String,
    /// Scripts that hold all rows, for a report that shows only the newest.
    pub bulk: Vec<String>,
    /// Pages of earlier months.
    pub months: Vec<Month>,
}

/// A field that a form sends along.
#[derive(Debug, Clone, Serialize)]
pub struct Hidden {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// A page of one month.
#[derive(Debug, Clone, Serialize)]
pub struct Month {
    /// Where.
    pub href: String,
    /// Which.
    pub label: String,
}

/// What was asked of the list.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// What is searched.
    pub q: String,
    /// The word of a status, in either language.
    pub status: String,
    /// The column it is sorted by, from 1; negative for the greatest first; 0 for the newest first.
    pub order: i64,
    /// The page, from 1.
    pub page: u64,
}

/// Columns that the list can be sorted by, in their order after `#`.
const COLUMNS: [(&str, &str, Order); 6] = [
    ("column-host", "", Order::Host),
    ("column-status", "", Order::Verdict),
    ("column-size", "num0", Order::Size),
    ("column-start", "", Order::Started),
    ("column-end", "", Order::Finished),
    ("column-upload", "", Order::Upload),
];

/// The words of a search, as shown text is compared with them.
pub fn search_words(q: &str) -> Vec<String> {
    plain(q).split_whitespace().map(str::to_owned).collect()
}

/// The verdict that a word names, in either language.
pub fn verdict_named(status: &str) -> Option<u8> {
    let status = plain(status);
    (1..=3).find(|v| [Lang::PtBr, Lang::En].iter().any(|lang| plain(&word(*lang, *v)) == status))
}

impl Asked {
    /// What an address asks by `q`, `status`, `ordem`, `pagina`.
    pub fn of(query: &dyn Fn(&str) -> Option<String>) -> Asked {
        let number = |name: &str| query(name).and_then(|text| text.parse::<i64>().ok());
        Asked {
            q: query("q").map(|q| q.chars().take(200).collect()).unwrap_or_default(),
            status: query("status").filter(|s| verdict_named(s).is_some()).unwrap_or_default(),
            order: number("ordem").unwrap_or(0),
            page: number("pagina").and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1),
        }
    }

    /// The column that it is sorted by, and whether the smallest comes first.
    fn order(&self) -> Option<(usize, bool)> {
        let column = usize::try_from(self.order.unsigned_abs()).ok()?.checked_sub(1)?;
        (column < COLUMNS.len()).then_some((column, self.order > 0))
    }

    /// What the catalog is asked.
    pub fn query(&self) -> ListQuery {
        let (order, ascending) =
            self.order().map_or((Order::Started, false), |(c, up)| (COLUMNS[c].2, up));
        ListQuery {
            verdict: verdict_named(&self.status),
            order,
            ascending,
            offset: (self.page.max(1) - 1).saturating_mul(PAGE).min(1 << 40),
            limit: PAGE,
        }
    }

    /// The words that are searched.
    pub fn words(&self) -> Vec<String> {
        search_words(&self.q)
    }

    /// The address of this question with other order and page.
    fn to(&self, viewer: &Viewer, order: i64, page: u64) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("status", &self.status)] {
            if !value.is_empty() {
                form.append_pair(name, value);
            }
        }
        if order != 0 {
            form.append_pair("ordem", &order.to_string());
        }
        if page > 1 {
            form.append_pair("pagina", &page.to_string());
        }
        let (base, query) = (viewer.to(&Address::Backups), form.finish());
        if query.is_empty() { base } else { format!("{base}?{query}") }
    }
}

/// The text of a backup that searches compare: what the list shows of it, in both languages.
pub fn search_text(zone: &Reader, backup: &ListedBackup) -> String {
    let mut parts = vec![backup.host.clone(), size(backup.raw_bytes)];
    for lang in [Lang::PtBr, Lang::En] {
        let reader = Reader { lang, zone: zone.zone.clone() };
        parts.extend([
            word(lang, backup.verdict.unwrap_or(0)),
            reader.moment_of(Some(&backup.started)),
            reader.moment_of(backup.finished.as_deref()),
            word(lang, backup.upload.unwrap_or(0)),
        ]);
    }
    plain(&parts.join(" "))
}

/// A backup as a row; `linked` says whether it has a page.
pub fn row(viewer: &Viewer, n: u64, backup: &ListedBackup, linked: bool) -> Row {
    let (verdict, upload) = (backup.verdict.unwrap_or(0), backup.upload.unwrap_or(0));
    let lang = viewer.lang();
    let reader = &viewer.reader;
    Row {
        n,
        host: backup.host.clone(),
        title: format!("{} / {}: {}", backup.job, backup.source, backup.units.replace(',', ", ")),
        verdict,
        k: class(verdict),
        word: word(lang, verdict),
        mb: format!("{:.3}", backup.raw_bytes as f64 / (1u64 << 20) as f64),
        size: size(backup.raw_bytes),
        started: reader.moment_of(Some(&backup.started)),
        finished: reader.moment_of(backup.finished.as_deref()),
        upload,
        upload_k: class(upload),
        upload_word: word(lang, upload),
        href: if linked { viewer.to(&Address::Backup(backup.number)) } else { String::new() },
        about: viewer.say("see-backup", &[("n", &backup.number.to_string())]),
    }
}

/// The columns; without `asked` they are sorted by the script.
pub fn columns(viewer: &Viewer, asked: Option<&Asked>) -> Vec<Column> {
    let mut columns = vec![Column { label: "#".into(), class: "seq", ..Column::default() }];
    let now = asked.map_or(Some((3, false)), |a| a.order().or(Some((3, false))));
    for (i, (key, class, _)) in COLUMNS.iter().enumerate() {
        let by = i as i64 + 1;
        let is_by = now.filter(|(column, _)| *column == i);
        let order = match is_by {
            Some((_, true)) => "ascending",
            Some((_, false)) => "descending",
            None => "",
        };
        // Moments and sizes begin with the greatest.
        let next = match is_by {
            Some((_, true)) => -by,
            Some((_, false)) => by,
            None if i < 2 => by,
            None => -by,
        };
        columns.push(Column {
            label: viewer.say(key, &[]),
            class,
            sort: true,
            href: asked.map_or(String::new(), |a| a.to(viewer, next, 1)),
            order,
            hidden: false,
        });
    }
    let label = viewer.say("action", &[]);
    columns.push(Column { label, hidden: true, ..Column::default() });
    columns
}

/// The tabs of the lists; `here` is the status of the list, `None` for runs.
pub fn tabs(viewer: &Viewer, totals: &Totals, here: Option<&str>) -> Vec<Tab> {
    let base = viewer.to(&Address::Backups);
    let on_server = viewer.base == Base::Server;
    let status = |verdict: u8, n: u64| {
        let label = word(viewer.lang(), verdict);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("status", &label)
            .finish();
        let href = if on_server { format!("{base}?{query}") } else { format!("{base}#{query}") };
        let here = here.and_then(verdict_named) == Some(verdict);
        Tab { href, label, count: Some(n), here }
    };
    vec![
        Tab {
            href: base.clone(),
            label: viewer.say("backups-all", &[]),
            count: Some(totals.all()),
            here: here.is_some_and(|h| verdict_named(h).is_none()),
        },
        status(1, totals.success),
        status(2, totals.alert),
        status(3, totals.error),
        Tab {
            href: viewer.to(&Address::Runs),
            label: viewer.say("runs", &[]),
            count: None,
            here: here.is_none(),
        },
    ]
}

/// A page of the list on a server: `found` rows match, of `totals`.
pub fn list(
    viewer: &Viewer,
    asked: &Asked,
    (backups, found): (&[ListedBackup], u64),
    totals: &Totals,
) -> List {
    let first = (asked.page.max(1) - 1).saturating_mul(PAGE) + 1;
    let rows = backups.iter().zip(first..).map(|(b, n)| row(viewer, n, b, true)).collect();
    let order = asked.order().map_or(0, |_| asked.order);
    let total = if asked.status.is_empty() { totals.all() } else { found };
    let total = if asked.q.is_empty() { found } else { total.max(found) };
    let hidden = [("status", &asked.status)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Hidden { name, value: value.clone() })
        .collect();
    List {
        tabs: tabs(viewer, totals, Some(&asked.status)),
        q: asked.q.clone(),
        hidden,
        columns: columns(viewer, Some(asked)),
        rows,
        pager: Pager::new(viewer, "backups-word", (found, total), asked.page.max(1), &|page| {
            asked.to(viewer, order, page)
        }),
        csv: asked.to(viewer, order, 1).replacen("/backups", "/backups.csv", 1),
        json: asked.to(viewer, order, 1).replacen("/backups", "/backups.json", 1),
        bulk: Vec::new(),
        months: Vec::new(),
    }
}

/// What is exported of a row: the columns as they are shown.
pub fn cells(row: &Row) -> [String; 7] {
    let upload = if row.upload == 0 { NONE.to_owned() } else { row.upload_word.clone() };
    [
        row.n.to_string(),
        row.host.clone(),
        row.word.clone(),
        row.size.clone(),
        row.started.clone(),
        row.finished.clone(),
        upload,
    ]
}

/// Cells as CSV for spreadsheets: `;`, a byte order mark, and a quote before what would be taken
/// for a formula.
pub fn csv<'a>(heads: &[String], rows: impl Iterator<Item = &'a [String]>) -> String {
    let cell = |text: &String| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let guard = if formula { "'" } else { "" };
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    };
    let line = |cells: &[String]| cells.iter().map(cell).collect::<Vec<_>>().join(";") + "\r\n";
    let mut out = "\u{feff}".to_owned() + &line(heads);
    for row in rows {
        out += &line(row);
    }
    out
}

/// Cells as JSON: one object a row, its names the heads.
pub fn json<'a>(heads: &[String], rows: impl Iterator<Item = &'a [String]>) -> String {
    let object = |cells: &[String]| {
        let pairs = heads.iter().zip(cells).map(|(h, c)| (h.clone(), c.clone().into()));
        serde_json::Value::Object(pairs.collect())
    };
    let rows: Vec<serde_json::Value> = rows.map(object).collect();
    serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
}
