//! Sources and restore drills: S156, S164, S165.

use serde_json::json;

use crate::common::browser::Browser;
use crate::web::browser::site::{CLIENT, Site};
use crate::web::pages::estate;

fn row(browser: &Browser, source: &str) -> Vec<String> {
    let rows = browser.script(
        "return [...document.querySelectorAll('#fontes tbody tr')].map((tr) => [...tr.cells].map((td) => td.innerText.replace(/\\s+/g, ' ').trim()))",
    );
    let rows: Vec<Vec<String>> = serde_json::from_value(rows).unwrap();
    rows.into_iter().find(|r| r[0].starts_with(source)).unwrap()
}

/// S164: the age of the last proven copy of each source beside its limit, and the measured RTO.
#[test]
fn sources_show_what_would_be_lost() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.press("Fontes 5");
    browser.until("return location.pathname === '/fontes'");
    assert_eq!(
        browser.texts("#fontes thead th"),
        [
            "Fonte",
            "RPO agora",
            "Prazo",
            "Última cópia provada",
            "Cópias",
            "RTO medido",
            "Último teste"
        ]
    );
    let fin = row(&browser, "fin");
    assert_eq!(fin[0], "fin Oracle 19c · servidor05");
    assert_eq!(fin[1], "12 d 5 h 4 d 5 h além");
    assert_eq!(fin[2], "8 d");
    assert!(fin[3].starts_with("08/11/2026 03:00:02"));
    assert_eq!(fin[5], "1 h 52 min");
    assert_eq!(fin[6], "12/11/2026");
    // S165: each place of a source by itself.
    assert_eq!(row(&browser, "erp PostgreSQL")[4], "cloud lido nas sem cópia");
    assert!(row(&browser, "erp PostgreSQL")[6].contains("vencido há 10 dias"));
    assert_eq!(row(&browser, "pagamentos")[6], "nunca testada");
    assert_eq!(browser.texts("#lugares h2"), ["cloud", "nas"]);
    let keeps = browser.texts("[id^=guarda-] h2");
    assert_eq!(keeps.len(), 5);
    assert!(keeps.contains(&"Retenção de loja".to_owned()));
}

/// S156: date, backup, target, result, rows, RTO and corrections of each test, and what is open.
#[test]
fn drills_show_what_was_proven() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.press("Testes de restauração");
    browser.until("return location.pathname === '/restauracoes'");
    assert_eq!(browser.text("h1"), "Testes de restauração");
    let heads = browser.texts("article h2");
    let expected = [
        "1. Escopo e política",
        "2. Execução no período",
        "3. Testes de restauração",
        "4. Exceções em aberto",
    ];
    for (head, expected) in heads.iter().zip(expected) {
        assert!(head.starts_with(expected), "{head}");
    }
    assert_eq!(browser.texts("article table:last-of-type thead th").split_off(0).len(), 6 + 7 + 8);
    let tests = browser.texts("article .cards tbody tr");
    assert_eq!(tests.len(), 5 + 1, "{tests:?}");
    assert!(
        tests[0]
            .starts_with("16/11/2026 erp-physical 20261115T070002Z-3f1c lab-pg de nas Sucesso 418"),
        "{tests:?}"
    );
    assert!(
        tests[0].contains("112\u{202f}102\u{202f}441") || tests[0].contains("112 102 441"),
        "{tests:?}"
    );
    assert!(
        tests[1].ends_with("Área de recuperação do laboratório ampliada para 80 GB."),
        "{tests:?}"
    );
    assert!(tests.iter().any(|t| t.contains("Erro")), "a test that failed is shown too");
    let open = browser.texts(".todo li");
    assert!(open.iter().any(|o| o.contains("pagamentos") && o.contains("admin.dados")), "{open:?}");
    // Overdue by more than 31 days is an Alerta on the overview.
    site.go(&browser, "/");
    assert!(
        browser
            .texts(".todo li.al h3")
            .contains(&"erp: teste de restauração vencido há 10 dias".to_owned())
    );
    // The record that is printed can be had as JSON, with the digest that the sheet shows.
    site.go(&browser, "/restauracoes");
    let shown = browser.text("article p code");
    let digest = browser.promise(
        "const text = await (await fetch('/evidencia.json')).text(), value = JSON.parse(text);
         const bytes = new TextEncoder().encode(text.slice(text.indexOf('\"record\":') + 9, text.lastIndexOf('}')));
         if (JSON.stringify(Object.keys(value)) !== '[\"digest\",\"record\"]' || value.record.drills.length !== 6) return text;
         return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((b) => b.toString(16).padStart(2, '0')).join('')",
    );
    assert_eq!(digest, json!(shown));
}

/// The sheet is one page of A4 in the light theme, whatever the screen.
#[test]
fn the_sheet_of_evidence_is_one_page() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.look(1280, "dark");
    site.go(&browser, "/restauracoes");
    let printed = browser
        .cdp("Page.printToPDF", json!({ "preferCSSPageSize": true, "printBackground": true }));
    let pdf = printed["data"].as_str().unwrap();
    // `/Type /Page` objects are counted by the browser itself: no reader of PDF is needed.
    let pages = browser
        .script(&format!("return (atob('{pdf}').match(/\\/Type\\s*\\/Page[^s]/g) || []).length"));
    assert_eq!(pages, json!(1));
    // No table is cut off at the right edge of the paper.
    browser.cdp("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 688, "height": 1039, "deviceScaleFactor": 1, "mobile": false }),
    );
    let cut = browser.script(
        "return [...document.querySelectorAll('article table')].map((t) => [t.offsetWidth, t.parentElement.clientWidth]).filter(([a, b]) => a > b)",
    );
    assert_eq!(cut, json!([]));
}
