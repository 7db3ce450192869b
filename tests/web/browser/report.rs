//! The report as files, opened by `file://`: search, sort, paging and export by the script alone,
//! links both ways, and ten thousand rows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::common::browser::Browser;
use crate::common::space::{Space, until};
use crate::web::browser::rules::kept;
use crate::web::browser::site::{NOW, fill};
use crate::web::front::flood::figure;
use crate::web::pages::estate;

/// A report of what statements put into a catalog, and its address.
fn reported(statements: &[String], lang: &str) -> (Space, String) {
    let space = Space::new().env("VEX_TEST_NOW", NOW).env("TZ", estate::ZONE).job("");
    space.run(&["report", "--out", "first"]).expect(0);
    fill(&space, statements);
    space.run(&["report", "--out", "out", "--lang", lang]).expect(0);
    let address = format!("file://{}", space.path("out").display());
    (space, address)
}

/// What a script of every page believes to be now.
fn hold_clock(browser: &Browser, now: &str) {
    let source = format!("Date.now = () => Date.parse('{now}')");
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
}

fn hosts(browser: &Browser) -> Vec<String> {
    browser.texts("#backups tbody .lead")
}

#[test]
fn a_report_is_read_without_a_server() {
    let (space, at) = reported(&estate::statements(), "pt-BR");
    let browser = Browser::start(estate::ZONE);
    hold_clock(&browser, "2026-11-20T13:00:00Z");
    browser.go(&format!("{at}/index.html"));
    assert_eq!(browser.texts(".menu li"), ["Dashboard", "Backups"]);
    assert_eq!(browser.text(".head h1 + p"), "Acompanhe e visualize seus backups");
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    assert!(
        !browser
            .script("return document.querySelector('#velho').checkVisibility()")
            .as_bool()
            .unwrap()
    );
    browser.press("Backups");
    browser.until_text("[data-page]", "Página 1 de 9");
    assert_eq!(browser.texts(".tabs a")[0], "Todos 81");
    // Search, sort, pages: the state is in the address, and Back finds it.
    browser.fill("input[type=search]", "servidor03");
    browser.until("return location.hash === '#q=servidor03'");
    assert!(hosts(&browser).iter().all(|h| h == "servidor03") && hosts(&browser).len() == 10);
    let total: i64 = space.catalog("SELECT count(*) FROM backup WHERE host = 'servidor03'");
    assert_eq!(browser.text("[data-count]"), format!("{total} de 81 backups"));
    browser.press("Tamanho");
    let sizes = browser.texts("#backups tbody .num0");
    let gb = |s: &String| s.split_once(' ').unwrap().0.parse::<f64>().unwrap();
    assert!(sizes.iter().map(gb).is_sorted_by(|a, b| a >= b), "{sizes:?}");
    assert_eq!(browser.attribute("#backups th[aria-sort=descending]", "class"), "num0");
    browser.press("Próximo »");
    browser.until("return document.querySelector('[data-page]').innerText.startsWith('Página 2 ')");
    let second = browser.texts("#backups tbody tr");
    browser.click("#backups tbody tr:nth-child(3) a.go");
    browser.until("return location.pathname.includes('/b/')");
    assert_eq!(browser.text("h1"), "Detalhes do Backup");
    browser.back();
    browser.until("return location.hash.includes('pagina=2')");
    assert_eq!(browser.texts("#backups tbody tr"), second);
    assert_eq!(
        browser.script("return document.querySelector('input[type=search]').value"),
        json!("servidor03")
    );
    // The button exports what is filtered.
    browser.fill("input[type=search]", "servidor05 erro");
    browser.until_text("[data-count]", "1 de 81 backups");
    browser.press("CSV");
    let path = browser.folder().join("backups.csv");
    let csv = until("the file is saved", || {
        std::fs::read_to_string(&path).ok().filter(|t| t.ends_with('\n'))
    });
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("\u{feff}\"#\";\"Hostname\";\"Status\""), "{csv}");
    assert!(
        lines[1].contains("\"servidor05\";\"Erro\";") && lines[1].contains("15/11/2026 03:00:02"),
        "{csv}"
    );
    browser.fill("input[type=search]", "nada disso");
    browser.until_text(".none", "Nenhum backup corresponde à busca.");
    assert!(browser.complaints().is_empty());
    // An old report says so, before anything else.
    hold_clock(&browser, "2026-11-28T13:00:00Z");
    browser.go(&format!("{at}/index.html"));
    browser.until("return document.querySelector('#velho').checkVisibility()");
    assert!(browser.text("#velho").starts_with("Este relatório tem 8 dias."));
}

/// Every link of every page leads to a file of the report, and every page can be left again.
#[test]
fn links_lead_both_ways() {
    let (space, at) = reported(&estate::statements(), "en");
    let browser = Browser::start(estate::ZONE);
    hold_clock(&browser, "2026-11-20T13:00:00Z");
    let root = space.path("out");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec!["index.html".to_owned()];
    let mut kinds = BTreeSet::new();
    drop((browser.complaints(), browser.requests()));
    while let Some(page) = open.pop() {
        if !seen.insert(page.clone()) {
            continue;
        }
        // One of each kind is looked at; of the others only that they are there.
        let kind = page.split('/').next().unwrap().to_owned();
        if page.contains('/') && !kinds.insert(kind) {
            continue;
        }
        browser.go(&format!("{at}/{page}"));
        assert_eq!(browser.attribute("html", "lang"), "en", "{page}");
        for (width, theme) in [(1280, "light"), (360, "dark")] {
            browser.look(width, theme);
            wrong.extend(kept(&browser, &format!("{page}-{width}-{theme}"), &at));
        }
        let forms = browser.script("return document.querySelectorAll('form').length");
        assert_eq!(forms, json!(0), "{page} has a form");
        let links = browser.script(
            "return [...document.querySelectorAll('a[href]')].map((a) => a.href.split('#')[0]).filter((h) => h !== location.href.split('#')[0])",
        );
        let links: BTreeSet<String> = serde_json::from_value(links).unwrap();
        for link in &links {
            match link.strip_prefix(&format!("{at}/")) {
                Some(inner) if Path::new(&root).join(inner).is_file() => {
                    if inner.ends_with(".html") {
                        open.push(inner.to_owned());
                    }
                }
                _ => wrong.push(format!("{page}: {link} leads nowhere")),
            }
        }
        for back in ["index.html", "backups.html"] {
            if page != back && !links.contains(&format!("{at}/{back}")) {
                wrong.push(format!("{page} does not lead to {back}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() > 81 + 5 && kinds.len() == 2, "{} pages, {kinds:?}", seen.len());
}

/// Ten thousand rows before the estate's, one an hour, all of them old.
fn many() -> Vec<String> {
    let mut sql = estate::statements();
    sql.push(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO backup (number, id, source, chain, job, file, host, server, units, name, raw_bytes, bytes, started, finished, \
         verdict, note, created)
         SELECT 1000 + i, printf('20200101T000000Z-%08x', i), 'velha', 'velha', 'velha', '/etc/vex/jobs/velha.kdl', \
         printf('antigo%04d', i), 'MySQL 8.0', 'velha', 'velha.zip', 1073741824 + i * 1048576, 1048576, \
         strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2025-06-01', -i || ' hours'), \
         strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2025-06-01', -i || ' hours', '+90 seconds'), 1 + (i % 97 = 0), '', \
         '2025-06-01T00:00:00.000000Z' FROM n"
            .to_owned(),
    );
    sql
}

#[test]
fn ten_thousand_rows_are_searched() {
    let (space, at) = reported(&many(), "pt-BR");
    let browser = Browser::start(estate::ZONE);
    hold_clock(&browser, "2026-11-20T13:00:00Z");
    assert!(space.path("out/rows.js").is_file());
    browser.go(&format!("{at}/backups.html"));
    browser.until_text("[data-page]", "Página 1 de 1009");
    let took = browser.script(
        "const n = performance.getEntriesByType('navigation')[0];
         return [n.domContentLoadedEventEnd, n.loadEventEnd, performance.now()].map(Math.round)",
    );
    figure(&format!("a report of 10081 rows: read, loaded, and all rows seen after {took} ms"));
    assert_eq!(browser.texts(".tabs a")[0], "Todos 10081");
    assert_eq!(hosts(&browser)[0], "servidor04");
    browser.fill("input[type=search]", "antigo0097 alerta");
    browser.until_text("[data-count]", "1 de 10081 backups");
    let row = browser.texts("#backups tbody tr:first-child td");
    assert_eq!(row[1..4], ["antigo0097", "Alerta", "1.09 GB"]);
    assert_eq!(row[4..7], ["27/05/2025 19:00:00", "27/05/2025 19:01:30", "—"]);
    assert!(!browser.has("#backups tbody a.go"), "a backup of which no copy is left has no page");
    let title = browser.attribute("#backups tbody .lead", "title");
    assert_eq!(title, "", "another backup's");
    browser.fill("input[type=search]", "Alerta");
    browser.until_text("[data-count]", "108 de 10081 backups");
    browser.fill("input[type=search]", "");
    browser.until_text("[data-page]", "Página 1 de 1009");
    browser.press("Tamanho");
    browser.press("Tamanho");
    assert_eq!(browser.texts("#backups tbody .num0")[0], "—", "what failed has no size");
    // By its address, too; and the months as plain tables, without the script.
    browser.go("about:blank");
    browser.go(&format!("{at}/backups.html#q=antigo1000"));
    browser.until_text("[data-count]", "2 de 10081 backups");
    browser.press("2025-05");
    assert_eq!(browser.text("h1"), "Backups, 2025-05");
    assert!(browser.texts("tbody tr").len() > 700);
    assert!(browser.complaints().is_empty());
}
