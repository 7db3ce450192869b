//! The way in and out: S100 to S105, in both languages.

use serde_json::json;

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, CLIENT, PASSWORD, Site};
use crate::web::pages::estate;

/// The words of the login in a language.
struct Words {
    lang: &'static str,
    user: &'static str,
    password: &'static str,
    enter: &'static str,
    forgotten: &'static str,
    empty: &'static str,
    wrong: &'static str,
    wrong_text: &'static str,
    close: &'static str,
    ok: &'static str,
    exit: &'static str,
}

const WORDS: [Words; 2] = [
    Words {
        lang: "pt-BR",
        user: "Usuário",
        password: "Senha",
        enter: "Entrar",
        forgotten: "Esqueceu sua senha? Contate seu administrador",
        empty: "Todos os campos devem ser preenchidos para que o login possa ser efetuado.",
        wrong: "Senha ou login inválidos",
        wrong_text: "Os dados informados não estão cadastrados em nossa base de dados. Por favor, tente novamente.",
        close: "Fechar",
        ok: "Ok!",
        exit: "Sair",
    },
    Words {
        lang: "en",
        user: "User",
        password: "Password",
        enter: "Sign in",
        forgotten: "Forgot your password? Ask your administrator",
        empty: "Fill in all fields to sign in.",
        wrong: "Wrong password or login",
        wrong_text: "These details are not in our records. Please try again.",
        close: "Close",
        ok: "OK",
        exit: "Sign out",
    },
];

fn send(browser: &Browser, words: &Words, login: &str, password: &str) {
    browser.fill("#u", login);
    browser.fill("#s", password);
    browser.press(words.enter);
    browser.until("return document.readyState === 'complete'");
}

fn is_login(site: &Site, browser: &Browser) -> bool {
    site.path(browser).starts_with("/entrar") && !browser.has("dialog[open]")
}

#[test]
fn the_login_says_what_it_must() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    for words in &WORDS {
        browser.forget();
        // S100: whoever is not signed in is led here from every page.
        for path in ["/", "/backups", "/backups/81", "/usuarios", "/nada-aqui", "/fontes"] {
            site.go(&browser, path);
            assert!(is_login(&site, &browser), "{path} shows {}", browser.address());
        }
        site.go(&browser, &format!("/entrar?lang={}", words.lang));
        assert_eq!(browser.attribute("html", "lang"), words.lang);
        assert_eq!(browser.texts(".form label"), [words.user, words.password]);
        assert_eq!(browser.told("#u"), ("textbox".into(), words.user.into()));
        assert_eq!(browser.told("#s").1, words.password);
        assert_eq!(browser.told("form button.main"), ("button".into(), words.enter.into()));
        // S102.
        assert_eq!(browser.text("#ajuda").trim(), words.forgotten);
        // S103, each way to leave a field empty.
        for (login, password) in [("", ""), (ADMIN, ""), ("", PASSWORD)] {
            send(&browser, words, login, password);
            assert_eq!(browser.texts("dialog:modal h2"), [words.empty]);
            assert_eq!(browser.texts("dialog:modal button"), [words.ok]);
            assert_eq!(browser.told("dialog").1, words.empty, "the dialog is named");
            browser.press(words.ok);
            assert!(is_login(&site, &browser));
        }
        // S101: the same of a wrong password and of an unknown login; two ways back.
        let foe = format!("ninguem-{}", words.lang);
        for (login, leave) in [(ADMIN, words.close), (foe.as_str(), words.ok)] {
            send(&browser, words, login, "CANARY-errada-errada");
            assert_eq!(browser.texts("dialog:modal h2"), [words.wrong]);
            assert_eq!(browser.texts("dialog:modal p"), [words.wrong_text]);
            assert_eq!(browser.texts("dialog:modal button"), [words.ok, words.close]);
            browser.press(leave);
            assert!(is_login(&site, &browser));
            assert_eq!(browser.script("return document.querySelector('#s').value"), json!(""));
        }
        send(&browser, words, ADMIN, PASSWORD);
        browser.until("return location.pathname === '/'");
        assert_eq!(browser.text("h1"), "Dashboard");
        // S104: out, and the way back shows nothing.
        browser.press(words.exit);
        browser.until("return location.pathname === '/entrar'");
        browser.back();
        browser.until("return location.pathname === '/entrar'");
        let complaints = browser.complaints();
        let real = |said: &&String| !said.contains("Failed to load resource");
        assert_eq!(complaints.iter().filter(real).count(), 0, "{complaints:?}");
    }
}

#[test]
fn a_session_is_a_cookie_that_no_script_sees() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    let seen = "SELECT coalesce(last_seen, '') FROM account WHERE login = 'leitura'";
    assert_eq!(site.space.catalog::<String>(seen), "");
    // S100: after the login, the page that was asked for.
    site.go(&browser, "/fontes");
    send(&browser, &WORDS[0], CLIENT, PASSWORD);
    browser.until("return location.pathname === '/fontes'");
    // S105.
    assert!(site.space.catalog::<String>(seen).starts_with("2026-11-20T12:00:52"));
    // S104.
    let hash = site.space.catalog::<String>("SELECT password FROM account WHERE login = 'leitura'");
    assert!(hash.starts_with("$argon2id$v=19$"), "not Argon2id");
    let cookies = browser.cdp("Network.getCookies", json!({}))["cookies"].clone();
    let cookie = cookies.as_array().unwrap().iter().find(|c| c["name"] == "vex").unwrap();
    assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")));
    assert_eq!(cookie["session"], json!(true));
    assert_eq!(browser.script("return document.cookie"), json!(""));
    let token = cookie["value"].as_str().unwrap();
    let kept = site
        .space
        .catalog::<i64>(&format!("SELECT count(*) FROM session WHERE token_hash = '{token}'"));
    assert_eq!(kept, 0, "the catalog holds the digest, not the token");
    // Where the form is told to lead elsewhere, it leads to the overview.
    for away in ["//evil.example", "https://evil.example/", "/sair", "javascript:alert(1)"] {
        browser.forget();
        site.go(&browser, &format!("/entrar?para={away}"));
        send(&browser, &WORDS[0], CLIENT, PASSWORD);
        browser.until("return location.pathname === '/'");
        assert!(browser.address().starts_with(&site.address));
    }
    // The eye shows what was typed, and hides it again.
    browser.forget();
    site.go(&browser, "/entrar");
    for (kind, label) in [("text", "Ocultar a senha"), ("password", "Mostrar a senha")] {
        browser.click(".pw button");
        assert_eq!(browser.attribute("#s", "type"), kind);
        assert_eq!(browser.told(".pw button").1, label);
    }
}
