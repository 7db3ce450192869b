//! The overview: S106 to S111, and S109 as it happens.

use serde_json::json;

use crate::common::browser::Browser;
use crate::common::space::until;
use crate::web::browser::rules::kept;
use crate::web::browser::site::{ADMIN, CLIENT, Site};
use crate::web::pages::estate;

#[test]
fn the_overview_says_what_it_must() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    assert_eq!(browser.text("h1"), "Dashboard");
    // S106.
    assert_eq!(browser.text(".head h1 + p"), "Acompanhe e visualize seus backups");
    // S110, in order.
    assert_eq!(browser.texts(".menu li"), ["Dashboard", "Backups", "Usuários", "Sair"]);
    assert_eq!(browser.attribute(".menu [aria-current=page]", "href"), "/");
    // S109.
    assert_eq!(browser.text("#lido"), "Consultado em 20/11/2026 08:00:52\nde novo a cada 1 minuto");
    assert_eq!(browser.attribute("main", "data-poll"), "60");
    let noscript = browser.promise(
        "const page = await (await fetch('/')).text(); return page.includes('<noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>')",
    );
    assert_eq!(noscript, json!(true));
    // S108: of the current day in the zone.
    assert_eq!(browser.texts("#hoje .v"), ["Sucesso", "Alerta", "Erro"]);
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    for verdict in 1..=3 {
        let sql = format!(
            "SELECT count(*) FROM backup WHERE verdict = {verdict} AND started >= '2026-11-20T04:00:00'"
        );
        let shown = browser.texts("#hoje .num")[verdict - 1].clone();
        assert_eq!(format!("{} hoje", site.space.catalog::<i64>(&sql)), shown);
    }
    // S107: what SQL counts of this day, hour and minute.
    let count = |since: &str| {
        let sql = format!("SELECT count(*) FROM backup WHERE started >= '{since}'");
        site.space.catalog::<i64>(&sql)
    };
    assert_eq!(browser.text("#freq h2"), "Total de backups");
    assert_eq!(browser.texts("#freq h3"), ["por dia, hoje", "por hora, 08h", "por minuto, 08:00"]);
    let counted = ["2026-11-20T04:00:00", "2026-11-20T12:00:00", "2026-11-20T12:00:00"].map(count);
    assert_eq!(browser.texts("#freq .num"), counted.map(|n| n.to_string()));
    assert_eq!(browser.texts("#freq .num"), ["10", "1", "1"]);
    let charts = browser.script("return [...document.querySelectorAll('#freq svg')].map((s) => [s.getAttribute('role'), s.getAttribute('aria-label').split(':')[0]])");
    assert_eq!(
        charts,
        json!([
            ["img", "Backups por dia, últimos 30 dias"],
            ["img", "Backups por hora, hoje"],
            ["img", "Backups por minuto, última hora"]
        ])
    );
    // What a DBA sees at eight.
    assert_eq!(browser.text("#frase-t"), "1 de 5 fontes sem cópia provada no prazo");
    assert_eq!(browser.text(".burn h3"), "Se tudo queimasse agora, voltaria ao estado de");
    assert_eq!(browser.texts(".burn dt")[0], "12 d 5 h atrás");
    assert_eq!(
        browser.texts("#noites tbody th b"),
        ["fin", "erp", "loja", "pagamentos", "erp-physical"]
    );
    assert_eq!(browser.texts("#noites .strip li").len(), 150);
    assert_eq!(browser.texts(".tabs a"), ["Visão geral", "Fontes 5", "Testes de restauração"]);
    assert_eq!(
        browser.texts("#noites .key span"),
        ["Sucesso", "Alerta", "Erro", "Não executou", "Não agendado"]
    );
}

#[test]
fn the_overview_of_a_client_and_in_english() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "en");
    assert_eq!(browser.attribute("html", "lang"), "en");
    assert_eq!(browser.text(".head h1 + p"), "Watch and see your backups");
    assert_eq!(browser.texts(".menu li"), ["Dashboard", "Backups", "Sign out"]);
    assert_eq!(browser.text("#lido"), "Read at 2026-11-20 08:00:52\nagain every minute");
    assert_eq!(browser.texts("#hoje .v"), ["Success", "Alert", "Error"]);
    assert_eq!(browser.text("#freq h2"), "Backups in total");
    assert_eq!(browser.text(".burn h3"), "If all burned now, you would be back at");
    assert_eq!(browser.text("#noites-t"), "Last 30 nights");
    // The choice stays; the way back to the other language is a link in that language.
    site.go(&browser, "/backups");
    assert_eq!(browser.attribute("html", "lang"), "en");
    assert_eq!(browser.attribute(".foot a[hreflang]", "lang"), "pt-BR");
    browser.press("Português");
    assert_eq!(browser.text(".head h1 + p"), "Veja mais detalhes sobre seus backups");
}

/// Dark by the switch, whatever the system wants; and the same after another page.
#[test]
fn a_theme_is_chosen_and_kept() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    let ground = "return getComputedStyle(document.body.parentElement).backgroundColor";
    assert_eq!(browser.script(ground), json!("rgb(244, 246, 248)"));
    browser.press("Escuro");
    browser.until(
        "return getComputedStyle(document.documentElement).backgroundColor === 'rgb(15, 20, 26)'",
    );
    until("the server is told", || {
        let cookies = browser.cdp("Network.getCookies", json!({}))["cookies"].clone();
        let told = |c: &serde_json::Value| c["name"] == "vex-theme" && c["value"] == "dark";
        cookies.as_array().unwrap().iter().any(told).then_some(())
    });
    site.go(&browser, "/backups");
    assert_eq!(browser.script(ground), json!("rgb(15, 20, 26)"));
    assert_eq!(browser.attribute("html", "data-theme"), "dark", "the server remembers");
}

#[test]
fn a_new_backup_appears_by_itself() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.script("window.sameDocument = true");
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    site.sql(
        "INSERT INTO run (id, kind, job, file, host, pid, started, finished, verdict, note) SELECT '20261120T120030Z-00000001', kind, \
         job, file, host, pid, '2026-11-20T12:00:30.000000Z', '2026-11-20T12:00:50.000000Z', 3, '' FROM run LIMIT 1;
         INSERT INTO backup (number, id, source, chain, job, file, host, server, units, name, raw_bytes, bytes, started, \
         finished, verdict, note, created) SELECT 82, '20261120T120030Z-00000001', source, chain, job, file, host, server, units, name, \
         raw_bytes, bytes, '2026-11-20T12:00:30.000000Z', '2026-11-20T12:00:50.000000Z', 3, 'cheio', '2026-11-20T12:00:30.000000Z' FROM backup \
         WHERE number = 81",
    );
    browser.until("return document.querySelectorAll('#hoje .num')[2].innerText.startsWith('2')");
    assert_eq!(
        browser.script("return window.sameDocument === true"),
        json!(true),
        "without a reload"
    );
    site.go(&browser, "/backups");
    assert_eq!(browser.texts(".tabs a")[0], "Todos 82");
}

#[test]
fn the_page_of_an_empty_catalog() {
    let site = Site::empty();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    assert_eq!(browser.text("h2"), "Nenhum backup ainda");
    assert_eq!(browser.texts("code").len(), 3);
    site.go(&browser, "/backups");
    assert_eq!(browser.texts(".tabs a")[0], "Todos 0");
    assert_eq!(browser.text(".none"), "Nenhum backup corresponde à busca.");
    assert_eq!(browser.text("[data-page]"), "Página 1 de 1");
    for path in ["/fontes", "/restauracoes", "/execucoes"] {
        site.go(&browser, path);
        assert_eq!(browser.texts("h1").len(), 1, "{path}");
    }
    assert!(browser.complaints().is_empty());
}

/// While the network is away the page stays as it was read, with the moment of it; afterwards it
/// looks again.
#[test]
fn a_page_outlives_the_network() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    let look = "document.dispatchEvent(new Event('visibilitychange')); return true";
    browser.offline(true);
    site.sql("UPDATE backup SET verdict = 3 WHERE number = 81");
    browser.script(look);
    browser.until("return performance.now() > 1500");
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    assert!(browser.text("#lido").starts_with("Consultado em 20/11/2026 08:00:52"));
    browser.offline(false);
    // What overviews know is good for some seconds: the page looks until it sees it.
    browser.until(
        "document.dispatchEvent(new Event('visibilitychange'));
         return document.querySelectorAll('#hoje .num')[2].innerText.startsWith('2')",
    );
    assert_eq!(browser.texts("#hoje .num"), ["6 hoje", "2 hoje", "2 hoje"]);
}

/// A catalog that is away: what was known stays, with the moment of it; what needs the catalog says
/// since when it is away, and leads nowhere wrong.
#[test]
fn the_page_of_a_catalog_that_is_away() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    let (state, kept_aside) = (site.space.path("state/vex"), site.space.path("kept"));
    std::fs::rename(&state, &kept_aside).unwrap();
    // A file is where its folder was: no catalog can be made there.
    std::fs::write(&state, "").unwrap();
    let status = "return performance.getEntriesByType('navigation')[0].responseStatus";
    let mut wrong = Vec::new();
    for (width, theme) in [(1280, "light"), (360, "dark")] {
        browser.look(width, theme);
        for path in ["/backups", "/backups/81"] {
            site.go(&browser, path);
            assert_eq!(browser.script(status), json!(503), "{path}");
            let said = browser.text("main");
            assert!(said.contains("O catálogo não responde desde 08:00:52"), "{said}");
            wrong.extend(kept(&browser, &format!("{path}-{width}-{theme}"), &site.address));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    site.go(&browser, "/");
    assert_eq!(browser.texts("#hoje .num"), ["7 hoje", "2 hoje", "1 hoje"]);
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&kept_aside, &state).unwrap();
    site.go(&browser, "/backups");
    assert_eq!(browser.script(status), json!(200));
    assert_eq!(browser.texts(".tabs a")[0], "Todos 81");
}
