//! Users and the audit of what is done to them: S120 to S138.

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, CLIENT, PASSWORD, Site};
use crate::web::pages::estate;

fn logins(browser: &Browser) -> Vec<String> {
    browser.texts("#lista tbody .lead")
}

fn fill(browser: &Browser, name: &str, login: &str, password: &str, again: &str) {
    for (css, text) in [("#n", name), ("#l", login), ("#s1", password), ("#s2", again)] {
        browser.fill(css, text);
    }
    browser.press("Salvar");
    browser.until("return document.readyState === 'complete'");
}

fn told(browser: &Browser) -> Vec<String> {
    browser.texts("dialog:modal :is(h2, p, button)")
}

#[test]
fn the_list_of_users_says_what_it_must() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    browser.press("Usuários");
    browser.until("return location.pathname === '/usuarios'");
    assert_eq!(browser.text("h1"), "Usuários");
    // S120 to S123.
    assert_eq!(
        browser.text(".head h1 + p"),
        "Crie, gerencie e altere as credenciais de acesso ao sistema"
    );
    assert_eq!(
        browser.texts("#lista thead th:not(:last-child)"),
        ["#", "Usuário", "Privilégio", "Último acesso", "Data de cadastro"]
    );
    assert_eq!(logins(&browser), [ADMIN, CLIENT]);
    assert_eq!(
        browser.texts("#lista tbody tr:first-child td:not(:last-child)"),
        ["1", ADMIN, "Administrador", "20/11/2026", "20/11/2026"]
    );
    assert_eq!(browser.texts("#lista tbody tr:last-child td:nth-child(4)"), ["—"]);
    browser.fill("input[type=search]", "LEIT");
    browser.until("return document.querySelectorAll('#lista tbody tr').length === 1");
    assert_eq!(logins(&browser), [CLIENT]);
    assert!(browser.has("#lista a.btn.main[href='/usuarios/novo']"), "Cadastrar");
    // S124, S126: red bin, green pencil, named.
    assert_eq!(browser.told("#lista .icon.er"), ("link".into(), format!("Excluir {CLIENT}")));
    assert_eq!(browser.told("#lista .icon.ok"), ("link".into(), format!("Editar {CLIENT}")));
    let colour = |css: &str| {
        browser.script(&format!("return getComputedStyle(document.querySelector('{css}')).color"))
    };
    assert_eq!(colour("#lista .icon.er"), "rgb(176, 16, 48)");
    assert_eq!(colour("#lista .icon.ok"), "rgb(10, 107, 90)");
    assert!(
        browser.has("#lista .icon.er use[href='#bin']")
            && browser.has("#lista .icon.ok use[href='#pen']")
    );
    // S124: Cancelar changes nothing.
    browser.click("#lista .icon.er");
    browser.until("return document.querySelector('dialog:modal') !== null");
    assert_eq!(browser.texts("dialog:modal h2"), ["Deseja realmente excluir o acesso do usuário?"]);
    assert_eq!(browser.texts("dialog:modal .acts > *"), ["Cancelar", "Excluir"]);
    browser.press("Cancelar");
    browser.until("return location.pathname === '/usuarios'");
    assert_eq!(logins(&browser), [ADMIN, CLIENT]);
    // S125: and whoever was removed is out at once.
    browser.click("#lista tbody tr:last-child .icon.er");
    browser.press("Excluir");
    browser.until("return location.search === '?feito=excluido'");
    assert_eq!(
        told(&browser),
        ["As credenciais de acesso do usuário foram removidas com sucesso", "Ok!"]
    );
    browser.press("Ok!");
    assert_eq!(logins(&browser), [ADMIN]);
    // The last administrator, who is also oneself, stays.
    browser.click("#lista .icon.er");
    browser.press("Excluir");
    browser.until("return document.querySelector('dialog:modal .btn.bad') === null && document.readyState === 'complete'");
    assert_eq!(told(&browser), ["Você não pode excluir o próprio acesso.", "Ok!"]);
    browser.press("Ok!");
    assert_eq!(logins(&browser), [ADMIN]);
}

#[test]
fn a_user_is_added_and_changed() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    // S135: what can be chosen is what the catalog has.
    site.sql("INSERT INTO privilege (name) VALUES ('Auditor externo')");
    site.sign_in(&browser, ADMIN, "pt-BR");
    site.go(&browser, "/usuarios");
    browser.press("Cadastrar");
    browser.until("return location.pathname === '/usuarios/novo'");
    // S129, S130, S132, S133, S134.
    assert_eq!(browser.text("h1"), "Cadastrar um novo usuário");
    assert!(browser.script("return document.title").as_str().unwrap().starts_with("Cadastro"));
    assert_eq!(browser.text(".head h1 + p"), "Adicione um novo usuário ao sistema");
    assert_eq!(
        browser.texts("main .form label"),
        [
            "Nome do usuário",
            "Login",
            "Senha",
            "Repetir Senha",
            "Permissão de acesso",
            "Data de cadastro"
        ]
    );
    assert_eq!(browser.texts("main .acts > *"), ["Cancelar", "Salvar"]);
    assert_eq!(
        browser.text("#d-h"),
        "A data de cadastro será atribuída automaticamente pelo sistema."
    );
    assert_eq!(browser.attribute("#d", "disabled"), "true");
    assert_eq!(browser.attribute("#d", "name"), "");
    assert_eq!(browser.attribute("#d", "value"), "20/11/2026");
    assert_eq!(browser.texts("#p option"), ["Administrador", "Auditor externo", "Cliente"]);
    for eye in ["s1", "s2"] {
        browser.click(&format!("[data-eye={eye}]"));
        assert_eq!(browser.attribute(&format!("#{eye}"), "type"), "text");
    }
    // S136: whatever is missing.
    let missing = "Erro ao cadastrar o usuário. Todos os campos devem ser preenchidos para que o usuário seja cadastrado.";
    for (name, login, password, again) in [
        ("", "", "", ""),
        ("", "maria", PASSWORD, PASSWORD),
        ("Maria", "", PASSWORD, PASSWORD),
        ("Maria", "maria", "", PASSWORD),
        ("Maria", "maria", PASSWORD, ""),
    ] {
        fill(&browser, name, login, password, again);
        assert_eq!(told(&browser), [missing, "Ok!"]);
        browser.press("Ok!");
    }
    // S137.
    fill(&browser, "Maria", "maria", PASSWORD, "CANARY-outra-senha");
    assert_eq!(told(&browser), ["As senhas informadas não coincidem.", "Ok!"]);
    browser.press("Ok!");
    fill(&browser, "Maria", CLIENT, PASSWORD, PASSWORD);
    assert_eq!(told(&browser), ["Já existe um usuário cadastrado com este login.", "Ok!"]);
    browser.press("Ok!");
    assert_eq!(browser.attribute("#n", "value"), "Maria", "what was typed stays");
    // S132: Cancelar saves nothing.
    browser.press("Cancelar");
    browser.until("return location.pathname === '/usuarios'");
    assert_eq!(logins(&browser), [ADMIN, CLIENT]);
    // S138.
    site.go(&browser, "/usuarios/novo");
    browser.choose("#p", "Administrador");
    fill(&browser, "Maria da Silva", "maria", PASSWORD, PASSWORD);
    browser.until("return location.search === '?feito=cadastrado'");
    assert_eq!(
        told(&browser),
        [
            "Novo usuário cadastrado!",
            "Os dados de acesso do usuário foram criados com sucesso!",
            "Ok!"
        ]
    );
    browser.press("Ok!");
    assert_eq!(logins(&browser), [ADMIN, CLIENT, "maria"]);
    // S131, S137.
    let kept = "SELECT name || '|' || privilege || '|' || substr(created, 1, 10) || '|' || substr(password, 1, 10) FROM account WHERE login = 'maria'";
    assert_eq!(
        site.space.catalog::<String>(kept),
        "Maria da Silva|Administrador|2026-11-20|$argon2id$"
    );
    // S126: prefilled; an empty password is unchanged.
    let before: String = site.space.catalog("SELECT password FROM account WHERE login = 'maria'");
    browser.click("#lista a[aria-label='Editar maria']");
    browser.until("return location.pathname.endsWith('/editar')");
    assert_eq!(browser.attribute("#n", "value"), "Maria da Silva");
    assert_eq!(browser.attribute("#l", "value"), "maria");
    assert_eq!(browser.script("return document.querySelector('#p').value"), "Administrador");
    browser.choose("#p", "Cliente");
    fill(&browser, "Maria Souza", "maria", "", "");
    browser.until("return location.search === '?feito=alterado'");
    assert_eq!(told(&browser), ["Os dados do usuário foram alterados com sucesso.", "Ok!"]);
    browser.press("Ok!");
    let after: String = site.space.catalog("SELECT password FROM account WHERE login = 'maria'");
    assert_eq!(before, after);
    // S128: who, when, what, whom, before and after, and no secret.
    browser.press("Auditoria");
    browser.until("return location.pathname === '/auditoria'");
    assert_eq!(browser.texts("thead th"), ["Data", "Usuário", "Ação", "Alvo", "Antes", "Depois"]);
    let rows = browser.texts("tbody tr");
    assert!(
        rows[0].starts_with("20/11/2026 08:00:52 dba.plantao 127.0.0.1 Alterar usuário maria"),
        "{rows:?}"
    );
    assert!(
        rows[0].contains("Maria da Silva, Administrador")
            && rows[0].ends_with("Maria Souza, Cliente")
    );
    assert!(rows[1].contains("Cadastrar usuário maria —"), "{rows:?}");
    assert!(!rows.join("").contains("CANARY") && !rows.join("").contains("argon2"));
    browser.fill("input[type=search]", "cadastrar");
    browser.until("return [...document.querySelectorAll('tbody tr')].every((tr) => tr.innerText.includes('Cadastrar usuário'))");
    site.space.run(&["user", "audit", "--verify"]).expect(0);
}

/// S127, S110: a client sees no menu item, no page and no button of an administrator.
#[test]
fn a_client_sees_nothing_of_it() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    assert_eq!(browser.texts(".menu li"), ["Dashboard", "Backups", "Sair"]);
    for path in ["/usuarios", "/usuarios/novo", "/usuarios/1/editar", "/auditoria"] {
        site.go(&browser, path);
        assert_eq!(browser.text("h1"), "Sem permissão para esta página", "{path}");
        assert_eq!(browser.text(".lost .num"), "403");
    }
    site.go(&browser, "/execucoes");
    assert_eq!(browser.texts("#rotinas .btn").len(), 0);
    assert_eq!(browser.texts("#rotinas tbody .lead").len(), 3);
}
