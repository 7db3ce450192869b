//! What every page keeps in both widths and themes: labels, headings, contrast, no overflow, no
//! complaint of the console, and no request that leaves the page's origin.
//!
//! With `VEX_SHOTS` set to a folder, each page's picture is written there (`tests/shots.sh`).

use serde_json::json;

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, Site};
use crate::web::pages::estate;

const RULES: &str = include_str!("rules.js");

/// Every page by the name of its picture, as an administrator sees it. `{alert}`, `{error}` are
/// backups, `{run}` is a run, `{job}` a job, `{user}` an account.
const PAGES: [(&str, &str); 20] = [
    ("dashboard", "/"),
    ("fontes", "/fontes"),
    ("restauracoes", "/restauracoes"),
    ("backups", "/backups"),
    ("backups-busca", "/backups?q=nada+disso"),
    ("execucoes", "/execucoes"),
    ("backup-alerta", "/backups/{alert}"),
    ("backup-erro", "/backups/{error}"),
    ("backup-bom", "/backups/{good}"),
    ("execucao", "/execucoes/{run}"),
    ("executar", "/rotinas/{job}/executar"),
    ("agendamento", "/rotinas/{job}/agendamento"),
    ("usuarios", "/usuarios"),
    ("usuarios-excluir", "/usuarios/{user}/excluir"),
    ("usuarios-feito", "/usuarios?feito=cadastrado"),
    ("usuario", "/usuarios/novo"),
    ("usuario-editar", "/usuarios/{user}/editar"),
    ("auditoria", "/auditoria"),
    ("404", "/nada-aqui"),
    ("404-backup", "/backups/999999"),
];

/// A path with what the catalog and the pages name.
fn filled(site: &Site, browser: &Browser, path: &str) -> String {
    let newest = |verdict: u8| -> i64 {
        let sql = format!(
            "SELECT number FROM backup WHERE verdict = {verdict} AND chain != 'pagamentos' ORDER BY started DESC LIMIT 1"
        );
        site.space.catalog(&sql)
    };
    let path = match path {
        p if p.contains("{alert}") => p.replace("{alert}", &newest(2).to_string()),
        p if p.contains("{error}") => p.replace("{error}", &newest(3).to_string()),
        p if p.contains("{good}") => p.replace("{good}", &newest(1).to_string()),
        p if p.contains("{run}") => {
            let sql = "SELECT id FROM run WHERE job = 'noturno' ORDER BY started DESC LIMIT 1";
            p.replace("{run}", &site.space.catalog::<String>(sql))
        }
        p if p.contains("{user}") => {
            let sql = "SELECT id FROM account WHERE login = 'leitura'";
            p.replace("{user}", &site.space.catalog::<i64>(sql).to_string())
        }
        p => p.to_owned(),
    };
    if !path.contains("{job}") {
        return path;
    }
    site.go(browser, "/execucoes");
    let href = browser.attribute("#rotinas a[href^='/rotinas/']", "href");
    path.replace("{job}", href.split('/').find(|s| s.len() == 16).unwrap())
}

/// The rules on the page that is shown, and what the console and the network did.
fn kept(browser: &Browser, page: &str, origin: &str) -> Vec<String> {
    let broken = browser.script(RULES);
    let mut wrong: Vec<String> = broken
        .as_array()
        .unwrap()
        .iter()
        .map(|w| format!("{page}: {}", w.as_str().unwrap()))
        .collect();
    for said in browser.complaints() {
        // The status of the page itself, which Chromium tells as well.
        if !(said.contains("Failed to load resource") && said.starts_with(&browser.address())) {
            wrong.push(format!("{page}: the console: {said}"));
        }
    }
    for request in browser.requests() {
        if !request.starts_with(origin) && !request.starts_with("data:") {
            wrong.push(format!("{page}: asks for {request}"));
        }
    }
    wrong
}

fn picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("VEX_SHOTS") else { return };
    let path = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(path, browser.picture()).unwrap();
}

/// Visits pages in both widths and themes.
fn visit(browser: &Browser, site: &Site, pages: &[(&str, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, path) in pages {
        browser.look(1280, "light");
        site.go(browser, path);
        for (width, theme) in [(1280, "light"), (1280, "dark"), (360, "dark"), (360, "light")] {
            browser.look(width, theme);
            let page = format!("{name}-{width}-{theme}");
            wrong.extend(kept(browser, &page, &site.address));
            picture(browser, &page);
        }
    }
    wrong
}

#[test]
fn every_page_keeps_the_rules() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    let mut wrong = visit(&browser, &site, &[("entrar", "/entrar".to_owned())]);
    site.sign_in(&browser, ADMIN, "pt-BR");
    let pages: Vec<(&str, String)> =
        PAGES.iter().map(|(name, path)| (*name, filled(&site, &browser, path))).collect();
    drop((browser.complaints(), browser.requests()));
    wrong.extend(visit(&browser, &site, &pages));
    assert!(wrong.is_empty(), "{} rules are broken:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_rules_can_be_broken() {
    let browser = Browser::start(estate::ZONE);
    let page = "<!doctype html><html lang=xx><title> </title><main><h1>One</h1><h1>Two</h1><h3>Three</h3>\
        <input id=a><input id=a placeholder=x><a href='/'></a><img src='data:,'><p style='color:#999;background:#fff'>pale</p>\
        <div style='width:3000px'>wide</div><table><tr><th>x</table><p aria-describedby=none onclick='x()'>five</p></main>";
    let html = json!(page);
    browser.go("about:blank");
    browser.script(&format!("document.open(); document.write({html}); document.close()"));
    let broken = browser.script(RULES).to_string();
    for rule in [
        "lang is xx",
        "no title",
        "2 h1",
        "h3 after h1",
        "no label",
        "no words",
        "no alt",
        "id twice",
        "contrast 2.8",
        "the page is 3",
        "too wide",
        "th without scope",
        "aria-describedby leads nowhere",
        "a style of its own",
        "a script of its own",
    ] {
        assert!(broken.contains(rule), "{rule} is not seen: {broken}");
    }
}
