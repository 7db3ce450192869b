//! The keyboard alone: sign in, search, open a backup, filter its log, remove a user; and the focus
//! is always seen.

use serde_json::json;

use crate::common::browser::{Browser, key};
use crate::web::browser::site::{ADMIN, CLIENT, PASSWORD, Site};
use crate::web::pages::estate;

#[test]
fn everything_is_done_by_keyboard() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    // Sign in: the order is that of the page, and Enter sends.
    site.go(&browser, "/entrar?lang=pt-BR");
    browser.tab_to("#u");
    browser.keys(&["errado"]);
    browser.tab_to("#s");
    browser.keys(&["CANARY-errada", key::ENTER]);
    browser.until("return document.querySelector('dialog:modal') !== null");
    assert_eq!(browser.script("return document.activeElement.innerText"), json!("Ok!"));
    browser.keys(&[key::ESCAPE]);
    browser.until("return document.querySelector('dialog:modal') === null");
    browser.script("document.querySelector('#u').value = ''");
    browser.tab_to("#u");
    browser.keys(&[ADMIN]);
    browser.tab_to("#s");
    browser.keys(&[PASSWORD, key::ENTER]);
    browser.until("return location.pathname === '/' && document.readyState === 'complete'");
    // The first Tab is the way past the menu.
    browser.keys(&[key::TAB]);
    assert_eq!(
        browser.script("return document.activeElement.innerText"),
        json!("Ir para o conteúdo")
    );
    assert!(
        browser
            .script("return document.activeElement.getBoundingClientRect().top >= 0")
            .as_bool()
            .unwrap()
    );
    browser.keys(&[key::ENTER]);
    browser.until("return document.activeElement.id === 'conteudo'");
    // A strip of nights is one stop; arrows move in it.
    browser.tab_to(".strip a");
    let label = || browser.script("return document.activeElement.getAttribute('aria-label')");
    let last = label();
    browser.keys(&[key::LEFT]);
    assert_ne!(label(), last);
    browser.keys(&[key::RIGHT]);
    assert_eq!(label(), last);
    browser.keys(&[key::HOME]);
    assert_ne!(label(), last);
    // Search: the slash leads there from anywhere.
    browser.tab_to(".menu a[href='/backups']");
    browser.keys(&[key::ENTER]);
    browser.until("return location.pathname === '/backups' && document.readyState === 'complete'");
    browser.keys(&["/"]);
    browser.until("return document.activeElement.type === 'search'");
    browser.keys(&["servidor05 erro"]);
    browser.until_text("[data-count]", "1 de 81 backups");
    // Details.
    browser.tab_to("#backups a.go");
    browser.keys(&[key::ENTER]);
    browser.until(
        "return location.pathname.startsWith('/backups/') && document.readyState === 'complete'",
    );
    // The log: by level with the arrows, by text.
    let lines = || {
        browser.script("return [...document.querySelectorAll('#err-l li')].filter((li) => li.checkVisibility()).length").as_u64().unwrap()
    };
    let few = lines();
    browser.tab_to(".chips input");
    browser.keys(&[key::LEFT]);
    browser.until("return document.querySelector('.chips input').checked");
    assert!(lines() > few, "all lines");
    browser.keys(&[key::SHIFT]);
    browser.script("document.querySelector('#err-q').focus()");
    browser.keys(&["rman-03009"]);
    browser.until("return [...document.querySelectorAll('#err-l li')].filter((li) => li.checkVisibility()).length === 1");
    browser.tab_to("#err-l");
    // A user is removed, and the safe answer has the focus.
    browser.script("document.querySelector('.skip').focus()");
    browser.tab_to(".menu a[href='/usuarios']");
    browser.keys(&[key::ENTER]);
    browser.until("return location.pathname === '/usuarios' && document.readyState === 'complete'");
    browser.tab_to(&format!("[aria-label='Excluir {CLIENT}']"));
    browser.keys(&[key::ENTER]);
    browser.until("return document.querySelector('dialog:modal') !== null");
    assert_eq!(browser.script("return document.activeElement.innerText"), json!("Cancelar"));
    browser.tab_to("dialog .btn.bad");
    browser.keys(&[key::ENTER]);
    browser.until("return location.search === '?feito=excluido' && document.querySelector('dialog:modal') !== null");
    browser.keys(&[key::ENTER]);
    browser.until("return document.querySelector('dialog:modal') === null");
    assert_eq!(browser.texts("#lista tbody .lead"), [ADMIN]);
    // The way out.
    browser.tab_to(".menu button");
    browser.keys(&[key::ENTER]);
    browser.until("return location.pathname === '/entrar'");
}

/// Each stop of the Tab key shows where the focus is, and none is a trap.
#[test]
fn the_focus_is_seen() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    let mut wrong = Vec::new();
    for path in
        ["/", "/backups", "/backups/57", "/execucoes", "/usuarios", "/usuarios/novo", "/auditoria"]
    {
        site.go(&browser, path);
        let mut stops = 0;
        loop {
            browser.keys(&[key::TAB]);
            let at = browser.script(
                "const e = document.activeElement; if (!e || e === document.body) return null;
                 const rings = [e, e.closest('label')].filter(Boolean).map((x) => getComputedStyle(x));
                 const ring = rings.some((s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && s.outlineColor !== 'rgba(0, 0, 0, 0)');
                 const again = e.dataset.stop; e.dataset.stop = '1';
                 return [ring, again === '1', e.outerHTML.replace(/\\s+/g, ' ').slice(0, 120)]",
            );
            if at.is_null() || at[1] == json!(true) {
                break;
            }
            stops += 1;
            if at[0] != json!(true) {
                wrong.push(format!("{path}: {}", at[2]));
            }
            assert!(stops < 120, "{path} does not end");
        }
        assert!(stops > 5, "{path}: {stops} stops");
    }
    assert!(wrong.is_empty(), "no focus is seen:\n{}", wrong.join("\n"));
}
