//! What an administrator asks of a job: S162. The runs are real ones, of this machine.

use serde_json::json;

use crate::common::browser::Browser;
use crate::common::space::until;
use crate::web::browser::site::{ADMIN, Site};
use crate::web::pages::estate;

/// Clicks a button of a job.
fn of_job(browser: &Browser, job: &str, word: &str) {
    let mark = format!(
        "for (const tr of document.querySelectorAll('#rotinas tbody tr')) for (const a of tr.querySelectorAll('.btn'))
           if (tr.querySelector('.lead').innerText.startsWith({}) && a.innerText === {}) a.id = 'this'",
        json!(job),
        json!(word)
    );
    browser.script(&mark);
    browser.click("#this");
    browser.until("return document.querySelector('dialog:modal') !== null");
}

fn schedule_of(browser: &Browser, job: &str) -> String {
    let rows = browser.texts("#rotinas tbody tr");
    rows.into_iter().find(|row| row.starts_with(job)).unwrap()
}

#[test]
fn a_job_is_run_now() {
    let site = Site::with_job();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    site.go(&browser, "/execucoes");
    let count = "SELECT count(*) FROM run WHERE job = 'vendas'";
    // A no changes nothing.
    of_job(&browser, "vendas", "Executar agora");
    assert_eq!(browser.text("dialog h2"), "Executar vendas agora?");
    assert_eq!(browser.texts("dialog .acts > *"), ["Cancelar", "Executar agora"]);
    browser.press("Cancelar");
    browser.until("return location.pathname === '/execucoes'");
    assert_eq!(site.space.catalog::<i64>(count), 0);
    of_job(&browser, "vendas", "Executar agora");
    browser.click("dialog .btn.main");
    browser.until("return location.pathname === '/execucoes'");
    until("the run has ended", || {
        let done = "SELECT count(*) FROM run WHERE job = 'vendas' AND verdict = 1";
        (site.space.catalog::<i64>(done) == 1).then_some(())
    });
    assert_eq!(
        site.space
            .catalog::<i64>("SELECT count(*) FROM backup WHERE job = 'vendas' AND verdict = 1"),
        1
    );
    site.go(&browser, "/execucoes?q=vendas");
    assert_eq!(browser.texts("#lista tbody tr").len(), 1);
    // A job of another host is asked for, and that host's `vex run --due` will find it.
    site.go(&browser, "/execucoes");
    of_job(&browser, "noturno", "Executar agora");
    browser.click("dialog .btn.main");
    browser.until("return location.pathname === '/execucoes'");
    let asked: String =
        site.space.catalog("SELECT host || ' ' || job || ' ' || who FROM run_request");
    assert_eq!(asked, format!("servidor02 noturno {ADMIN}"));
    // Audited.
    site.go(&browser, "/auditoria?q=executar");
    let rows = browser.texts("tbody tr");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(
        rows[0].contains(&format!("{ADMIN} 127.0.0.1 Executar agora noturno (servidor02)")),
        "{rows:?}"
    );
    assert!(rows[1].contains("Executar agora vendas ("), "{rows:?}");
}

#[test]
fn a_schedule_is_changed_and_given_back() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    site.go(&browser, "/execucoes");
    assert!(
        browser.text("#rotinas .top p").starts_with("Nenhum host chamou vex run --due"),
        "the page says that nobody would act on it"
    );
    assert!(schedule_of(&browser, "noturno").contains("0 1 * * * 21/11/2026 01:00:00"));
    let ask = |state: &str, fields: &str| {
        site.go(&browser, "/execucoes");
        of_job(&browser, "noturno", "Alterar agendamento");
        assert_eq!(browser.text("dialog h2"), "Alterar o agendamento de noturno");
        assert_eq!(browser.texts("dialog label"), ["Estado", "Campos do cron"]);
        browser.choose("#estado", state);
        browser.fill("#horario", fields);
        browser.press("Salvar");
        browser.until("return document.readyState === 'complete'");
    };
    // What is no schedule is not taken.
    ask("Outro horário", "a cada lua nova");
    assert!(browser.text("dialog .hint.bad").starts_with("Não é um horário: "));
    let held = "SELECT count(*) FROM schedule_override";
    assert_eq!(site.space.catalog::<i64>(held), 0);
    browser.press("Cancelar");
    ask("Outro horário", "30 4 * * *");
    browser.until("return location.pathname === '/execucoes'");
    let row = schedule_of(&browser, "noturno");
    assert!(row.contains("30 4 * * *") && row.contains("no arquivo: 0 1 * * *"), "{row}");
    assert!(row.contains(&format!("alterado por {ADMIN} em 20/11/2026 08:00:52")), "{row}");
    assert!(row.contains("21/11/2026 04:30:00"), "the next run is by the new fields: {row}");
    ask("Desligada", "30 4 * * *");
    browser.until("return location.pathname === '/execucoes'");
    let row = schedule_of(&browser, "noturno");
    assert!(row.contains(&format!("desligada por {ADMIN}")), "{row}");
    ask("Como no arquivo", "0 1 * * *");
    browser.until("return location.pathname === '/execucoes'");
    assert!(schedule_of(&browser, "noturno").contains("0 1 * * * 21/11/2026 01:00:00"));
    site.go(&browser, "/auditoria?q=agendamento");
    let rows = browser.texts("tbody tr");
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[2].ends_with("noturno (servidor02) 0 1 * * * 30 4 * * *"), "{rows:?}");
}
