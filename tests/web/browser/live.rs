//! A run as it happens: what another host writes into the catalog appears without a reload (S109).

use serde_json::json;

use crate::common::browser::Browser;
use crate::web::browser::rules::kept;
use crate::web::browser::site::{CLIENT, Site};
use crate::web::pages::estate;

/// The run of another host, which has read a third of what it will read.
const BEGINS: &str = r#"
INSERT INTO run (id, kind, job, file, host, pid, started, note, beat, progress) VALUES ('20261120T115900Z-00000001', 'job', 'noturno',
    '/etc/vex/jobs/noturno.kdl', 'servidor02', 1, '2026-11-20T11:59:00.000000Z', '', '2026-11-20T12:00:50.000000Z',
    '{"0": {"raw": 2147483648, "rows": 10, "stored": 1073741824, "sent": 1073741824, "estimate": 6442450944}}');
INSERT INTO step (run, number, address, verb, source, chain, store, started, state, message, code) VALUES ('20261120T115900Z-00000001', 0,
    'noturno/dump/loja', 'dump', 'loja', 'loja', '', '2026-11-20T11:59:00.000000Z', 'running', '', '');
INSERT INTO backup (number, id, source, chain, job, file, host, server, units, name, raw_bytes, bytes, started, note, created)
    VALUES (82, '20261120T115900Z-00000001', 'loja', 'loja', 'noturno', '/etc/vex/jobs/noturno.kdl', 'servidor02', 'MySQL 9.1.0', 'loja',
    '', 0, 0, '2026-11-20T11:59:00.000000Z', '', '2026-11-20T11:59:00.000000Z');
"#;

const GOES_ON: &str = r#"UPDATE run SET beat = '2026-11-20T12:00:51.000000Z', progress = '{"0": {"raw": 4831838208, "rows": 10,
    "stored": 1, "sent": 1, "estimate": 6442450944}}' WHERE id = '20261120T115900Z-00000001'"#;

const ENDS: &str = "
UPDATE run SET finished = '2026-11-20T12:00:52.000000Z', verdict = 1 WHERE id = '20261120T115900Z-00000001';
UPDATE step SET finished = '2026-11-20T12:00:52.000000Z', state = 'done', verdict = 1 WHERE run = '20261120T115900Z-00000001';
UPDATE backup SET finished = '2026-11-20T12:00:52.000000Z', verdict = 1, raw_bytes = 6442450944 WHERE number = 82;
";

#[test]
fn a_catalog_that_goes_away_is_told_on_the_page_that_is_open() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    let (place, aside) = (site.space.state("catalog.sqlite"), site.space.state("aside"));
    for path in ["/", "/backups"] {
        site.go(&browser, path);
        browser.script("window.sameDocument = true");
        assert!(!browser.has("#fora"), "{path}");
        std::fs::rename(&place, &aside).unwrap();
        // What the page does each minute it does when it is looked at again.
        let look = "document.dispatchEvent(new Event('visibilitychange'));";
        let away = "return document.querySelector('#fora') !== null";
        browser.until(&format!("{look} {away}"));
        assert!(browser.text("#fora").starts_with("O catálogo não responde desde "), "{path}");
        assert!(browser.has("#frase, #lista"), "the last page stays: {path}");
        std::fs::rename(&aside, &place).unwrap();
        browser.until(&format!("{look} return document.querySelector('#fora') === null"));
        assert_eq!(browser.script("return window.sameDocument"), json!(true), "{path}");
    }
}

#[test]
fn a_run_appears_goes_on_and_ends_by_itself() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.script("window.sameDocument = true");
    assert!(!browser.has("#agora section"));
    site.sql(BEGINS);
    browser.until("return document.querySelector('#agora section') !== null");
    assert_eq!(browser.texts("#agora .v"), ["Em andamento"]);
    let line = browser.text("#agora p").replace('\n', " ");
    assert!(
        line.starts_with("loja noturno, servidor02 33 %, 2.00 GB de 6.00 GB, faltam cerca de"),
        "{line}"
    );
    assert_eq!(browser.told("#agora .bar").0, "progressbar");
    assert_eq!(browser.script("return window.sameDocument"), json!(true));
    // Running is shown beside the verdicts, never instead of them.
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    browser.press("Acompanhar");
    browser
        .until("return location.pathname === '/backups/82' && document.readyState === 'complete'");
    browser.script("window.sameDocument = true");
    assert_eq!(browser.texts("#cartoes section:nth-child(1) dd")[6], "Em andamento");
    assert_eq!(browser.texts("#cartoes section:nth-child(1) dd")[2], "2.00 GB até agora");
    drop((browser.complaints(), browser.requests()));
    let mut wrong = Vec::new();
    for (width, theme) in [(1280, "light"), (360, "dark")] {
        browser.look(width, theme);
        wrong.extend(kept(&browser, &format!("ao-vivo-{width}-{theme}"), &site.address));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    site.sql(GOES_ON);
    browser.until("return document.querySelector('#cartoes dd:nth-of-type(3)').innerText === '4.50 GB até agora'");
    assert!(browser.text("#agora").contains("75 %"));
    assert_eq!(browser.script("return window.sameDocument"), json!(true));
    site.sql(ENDS);
    browser.until("return document.querySelectorAll('#cartoes section:first-child dd')[6].innerText.trim() === 'Sucesso'");
    assert_eq!(browser.texts("#cartoes section:nth-child(1) dd")[5], "1 minuto 52 segundos");
    // What ran is gone from the page by itself.
    browser.until("return document.querySelector('#agora section, #agora.live') === null");
    site.go(&browser, "/");
    assert!(!browser.has("#agora section"));
    assert_eq!(browser.texts("#hoje .num")[0], "8 hoje");
}
