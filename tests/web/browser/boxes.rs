//! Where the elements of each page are: as in the design's prototype, to 4 px, in both widths and
//! both themes.
//!
//! `boxes.json` was measured once on the prototype's pages, in the same browser with the same font:
//! page, width, element, box. A box is measured from an anchor, so that what stands above it (a
//! note, a running job, another number of reasons) does not matter. Each difference that is meant
//! stands in `MEANT` with its reason.

use serde_json::{Value, json};

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, Site};
use crate::web::pages::estate;

/// The boxes of the prototype.
const BOXES: &str = include_str!("boxes.json");

/// How far apart two edges may be, in CSS pixels.
const NEAR: f64 = 4.0;

/// What is compared of a box: all of it, all but its height, or where it begins and how wide it is.
#[derive(Clone, Copy, PartialEq)]
pub enum Of {
    All,
    Place,
    Across,
}
use Of::{Across, All, Place};

/// A page of ours, the prototype's file, and its elements: the element, its anchor, what is
/// compared.
type Page = (&'static str, &'static str, &'static [(&'static str, &'static str, Of)]);

/// What every page with a menu has.
const FRAME: &[(&str, &str, Of)] = &[
    (".side", "body", Across),
    (".brand", "body", All),
    (".menu li:nth-child(1) > *", "body", All),
    (".menu li:nth-child(2) > *", "body", All),
    (".menu li:nth-child(3) > *", "body", All),
    (".menu li:nth-child(4) button", "body", All),
    ("main", "body", Across),
    (".foot", "body", Across),
    (".foot p:first-child", ".foot", All),
    (".foot .theme", ".foot", All),
];

const PAGES: &[Page] = &[
    (
        "/",
        "index",
        &[
            ("h1", "body", All),
            (".head h1 + p", "body", All),
            ("#lido", "body", All),
            (".tabs", "body", All),
            (".tabs a:nth-child(1)", "body", All),
            (".tabs a:nth-child(3)", "body", All),
            ("#frase", "body", Place),
            ("#frase h2", "body", Place),
            ("#frase .todo", "#frase", Across),
            ("#noites", "main", Across),
            ("#noites-t", "#noites", All),
            ("#noites thead th:nth-child(1)", "#noites", Place),
            ("#noites thead th:nth-child(2)", "#noites", Place),
            ("#noites thead th:nth-child(3)", "#noites", Place),
            ("#noites tbody tr:nth-child(1)", "#noites", All),
            ("#noites tbody tr:nth-child(1) .strip", "#noites", All),
            ("#noites tbody tr:nth-child(1) .strip li:nth-child(30)", "#noites", All),
            ("#noites .key", "#noites", All),
            ("#hoje", "main", Across),
            ("#hoje section:nth-child(1)", "#hoje", All),
            ("#hoje section:nth-child(2)", "#hoje", All),
            ("#hoje section:nth-child(3)", "#hoje", All),
            ("#hoje section:nth-child(2) .num", "#hoje", All),
            ("#hoje section:nth-child(3) svg.chart", "#hoje", All),
            ("#freq", "main", Across),
            ("#freq .fig:nth-child(1)", "#freq", All),
            ("#freq .fig:nth-child(3)", "#freq", All),
            ("#freq .fig:nth-child(2) svg", "#freq", All),
        ],
    ),
    (
        "/backups",
        "backups",
        &[
            ("h1", "body", All),
            (".tabs a:nth-child(1)", "body", All),
            (".tabs a:nth-child(4)", "body", Across),
            (".card", "body", Place),
            (".tools", ".card", All),
            (".seek input", ".card", All),
            (".tools .btn", ".card", All),
            ("#backups thead th:nth-child(1)", ".card", All),
            ("#backups thead th:nth-child(2)", ".card", All),
            ("#backups thead th:nth-child(4)", ".card", All),
            ("#backups thead th:nth-child(7)", ".card", All),
            ("#backups tbody tr:nth-child(1)", ".card", All),
            ("#backups tbody tr:nth-child(10)", ".card", All),
            ("#backups tbody tr:nth-child(1) .go", ".card", All),
            (".pager", ".card", All),
            (".pager nav", ".card", All),
        ],
    ),
    (
        "/backups/{alert}",
        "backup-alerta",
        &[
            ("h1", "body", All),
            (".crumb", "body", Place),
            (".note", "body", Across),
            ("[aria-labelledby=c1]", "main", Across),
            ("[aria-labelledby=c2]", "[aria-labelledby=c1]", Place),
            ("[aria-labelledby=c1] h2", "[aria-labelledby=c1]", All),
            ("[aria-labelledby=c1] dt:nth-of-type(1)", "[aria-labelledby=c1]", All),
            ("[aria-labelledby=c1] dd:nth-of-type(7)", "[aria-labelledby=c1]", Across),
            ("[aria-labelledby=c2] dt:nth-of-type(1)", "[aria-labelledby=c2]", Across),
            ("[aria-labelledby=err]", "main", Across),
            ("#err", "[aria-labelledby=err]", All),
            ("[aria-labelledby=err] .seek", "[aria-labelledby=err]", All),
            ("#err-l", "[aria-labelledby=err]", Place),
            ("[aria-labelledby=c3]", "main", Across),
            ("[aria-labelledby=c3] thead th:nth-child(1)", "[aria-labelledby=c3]", Place),
            (
                "[aria-labelledby=c4] .fall > :nth-child(2) > :first-child",
                "[aria-labelledby=c4]",
                Across,
            ),
            ("[aria-labelledby=c5]", "main", Across),
        ],
    ),
    (
        "/execucoes/{run}",
        "execucao",
        &[
            ("h1", "body", Place),
            (".card:has(.fall)", "main", Across),
            ("#g", ".card:has(.fall)", All),
            (".fall > :first-child > :first-child", ".card:has(.fall)", All),
            (".fall > :nth-child(2) > :first-child", ".card:has(.fall)", All),
            (".fall > :nth-child(2) > .lane", ".card:has(.fall)", All),
            (".fall > :nth-child(3) > :first-child", ".card:has(.fall)", All),
            ("[aria-labelledby=t]", "main", Across),
            ("#t", "[aria-labelledby=t]", All),
            ("#log", "[aria-labelledby=log]", All),
            ("#log-l", "[aria-labelledby=log]", Place),
        ],
    ),
    (
        "/fontes",
        "fontes",
        &[
            ("h1", "body", All),
            (".tabs", "body", All),
            ("#fontes", "body", Place),
            ("#f", "#fontes", All),
            ("#fontes thead th:nth-child(1)", "#fontes", Place),
            ("#fontes tbody tr:nth-child(1)", "#fontes", Place),
            ("[aria-labelledby=st1]", "main", Across),
            ("[aria-labelledby=st2]", "[aria-labelledby=st1]", Across),
        ],
    ),
    (
        "/restauracoes",
        "restauracoes",
        &[
            ("h1", "body", All),
            (".sheet", "body", Place),
            (".sheet .facts dt:nth-of-type(1)", ".sheet", All),
            (".sheet h2:nth-of-type(1)", ".sheet", Across),
            (".sheet table", ".sheet", Across),
            (".sign p:nth-child(1)", ".sheet", Across),
            (".sign p:nth-child(3)", ".sheet", Across),
        ],
    ),
    (
        "/usuarios",
        "usuarios",
        &[
            ("h1", "body", All),
            (".head h1 + p", "body", All),
            (".card", "body", Place),
            (".seek input", ".card", All),
            (".tools .btn.main", ".card", All),
            ("thead th:nth-child(1)", ".card", All),
            ("tbody tr:nth-child(1)", ".card", All),
            ("tbody tr:nth-child(1) .icon.er", "tbody tr:nth-child(1)", All),
        ],
    ),
    (
        "/usuarios/novo",
        "usuario",
        &[
            ("h1", "body", All),
            (".crumb", "body", All),
            ("form.card", "body", All),
            ("#n", "form.card", All),
            ("#l", "form.card", All),
            ("#s1", "form.card", All),
            ("#s2", "form.card", All),
            ("#p", "form.card", All),
            ("#d", "form.card", All),
            ("form.card .acts", "form.card", All),
            ("form.card .acts .main", "form.card", All),
        ],
    ),
    (
        "/auditoria",
        "auditoria",
        &[
            ("h1", "body", All),
            (".card", "body", Place),
            (".seek input", ".card", All),
            ("thead th:nth-child(1)", ".card", Place),
            ("tbody tr:nth-child(1) td:nth-child(1)", ".card", Place),
        ],
    ),
    (
        "/entrar",
        "login",
        &[
            ("main", "body", Place),
            (".brand", "main", All),
            ("#u", "main", All),
            ("#s", "main", All),
            ("form.form .btn.main", "main", All),
            ("#ajuda", "main", All),
            (".foot .theme", ".foot", Across),
        ],
    ),
];

/// Differences that are meant: page, width (0 for both), element, and why.
const MEANT: &[(&str, u32, &str, &str)] = &[
    ("/execucoes/{run}", 1280, "h1", "the heading of a run has its day, too"),
    ("/execucoes/{run}", 360, "#log-l", "shorter figures: the chips of the log fit into one line"),
    ("/backups/{alert}", 360, "#err-l", "shorter figures: the chips of the log fit into one line"),
    (
        "/backups/{alert}",
        1280,
        "[aria-labelledby=c3] thead th:nth-child(1)",
        "the stores of the estate have shorter names",
    ),
    (
        "/fontes",
        1280,
        "#fontes thead th:nth-child(1)",
        "the second line of a source wraps, so that the last column is not cut off",
    ),
    (
        "/fontes",
        1280,
        "#fontes tbody tr:nth-child(1)",
        "the second line of a source wraps, so that the last column is not cut off",
    ),
    (
        "/restauracoes",
        360,
        ".sheet table",
        "what is kept stands as the job file has it, in lines of its own",
    ),
];

/// A script that measures elements: `null` where one is not there or not seen.
fn measure(elements: &[(&str, &str, Of)]) -> String {
    let pairs: Vec<Value> = elements.iter().map(|(css, anchor, _)| json!([css, anchor])).collect();
    format!(
        "scrollTo(0, 0);
         const box = (css) => {{ const e = document.querySelector(css); return e && e.checkVisibility() && e.getClientRects().length ? e.getBoundingClientRect() : null; }};
         return Object.fromEntries({}.map(([css, anchor]) => {{
           const own = box(css), from = box(anchor);
           return [css, own && from && [own.x - from.x, own.y - from.y, own.width, own.height].map((n) => Math.round(n * 10) / 10)];
         }}))",
        Value::from(pairs)
    )
}

fn elements(page: &Page) -> Vec<(&'static str, &'static str, Of)> {
    let frame = if page.1 == "login" { &[][..] } else { FRAME };
    [frame, page.2].concat()
}

/// What of a page is not where the prototype has it.
fn apart(page: &Page, width: u32, theme: &str, found: &Value, known: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (css, _, of) in elements(page) {
        let (own, other) = (&found[css], &known[css]);
        let edges = match of {
            All => &[0, 1, 2, 3][..],
            Place => &[0, 1, 2],
            Across => &[0, 2],
        };
        let near = |edge: &usize| match (own[edge].as_f64(), other[edge].as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= NEAR,
            (a, b) => a == b,
        };
        let meant =
            MEANT.iter().any(|(p, w, e, _)| *p == page.0 && (*w == 0 || *w == width) && *e == css);
        if edges.iter().all(near) == meant {
            let what = if meant {
                "is as in the prototype, though another is meant"
            } else {
                "is elsewhere"
            };
            wrong.push(format!("{} {width} {theme}: {css} {what}: {own}, there {other}", page.0));
        }
    }
    wrong
}

#[test]
fn elements_are_where_the_design_has_them() {
    let known: Value = serde_json::from_str(BOXES).unwrap();
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    let number = |verdict: u8| -> i64 {
        site.space.catalog(&format!(
            "SELECT number FROM backup WHERE verdict = {verdict} AND chain = 'erp' ORDER BY started DESC LIMIT 1"
        ))
    };
    let run: String = site
        .space
        .catalog("SELECT id FROM run WHERE job = 'noturno' ORDER BY started DESC LIMIT 1");
    let mut wrong = Vec::new();
    for page in PAGES.iter().rev() {
        let path = page.0.replace("{alert}", &number(2).to_string()).replace("{run}", &run);
        site.go(&browser, &path);
        for (width, theme) in [(1280, "light"), (1280, "dark"), (360, "dark"), (360, "light")] {
            browser.look(width, theme);
            let found = browser.script(&measure(&elements(page)));
            wrong.extend(apart(page, width, theme, &found, &known[page.1][width.to_string()]));
        }
        if page.1 == "login" {
            site.sign_in(&browser, ADMIN, "pt-BR");
        }
    }
    assert!(wrong.is_empty(), "{} boxes:\n{}", wrong.len(), wrong.join("\n"));
}
