//! The list of backups and the page of one: S112 to S119, S163, S165.

use serde_json::json;

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, CLIENT, Site};
use crate::web::pages::estate;

fn cells(browser: &Browser, column: usize) -> Vec<String> {
    browser.texts(&format!("#backups tbody tr td:nth-child({column})"))
}

#[test]
fn the_list_says_what_it_must() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    browser.press("Backups");
    browser.until("return location.pathname === '/backups'");
    // S112.
    assert_eq!(browser.text("h1"), "Backups");
    assert_eq!(browser.text(".head h1 + p"), "Veja mais detalhes sobre seus backups");
    assert_eq!(
        browser.texts(".tabs a"),
        ["Todos 81", "Sucesso 72", "Alerta 5", "Erro 4", "Execuções"]
    );
    assert_eq!(site.space.catalog::<i64>("SELECT count(*) FROM backup"), 81);
    // S113.
    assert_eq!(browser.attribute("input[type=search]", "placeholder"), "Buscar...");
    assert!(browser.has(".seek svg use[href='#seek']"), "the magnifier");
    // S114.
    let heads = browser.script(
        "return [...document.querySelectorAll('#backups thead th:not(:last-child)')].map((th) => th.innerText.trim())",
    );
    assert_eq!(
        heads,
        json!([
            "#",
            "Hostname",
            "Status",
            "Tamanho",
            "Data de início",
            "Data de encerramento",
            "Status upload"
        ])
    );
    // S115, S116.
    let first = browser.texts("#backups tbody tr:first-child td:not(:last-child)");
    assert_eq!(
        first,
        [
            "1",
            "servidor04",
            "Sucesso",
            &first[3],
            "20/11/2026 08:00:01",
            "20/11/2026 08:00:41",
            "Sucesso"
        ]
    );
    assert!(
        first[3].ends_with(" MB") && first[3].split_once('.').unwrap().1.len() == 5,
        "{first:?}"
    );
    // S117: nine pages, each with ten rows but the last; the ends are shut.
    let mut seen = Vec::new();
    for page in 1..=9 {
        browser.until_text("[data-page]", &format!("Página {page} de 9"));
        let starts = cells(&browser, 5);
        assert_eq!(starts.len(), if page == 9 { 1 } else { 10 });
        let sorted = |s: &String| format!("{}{}{}{}", &s[6..10], &s[3..5], &s[..2], &s[10..]);
        seen.extend(starts.iter().map(sorted));
        assert_eq!(browser.texts(".pager nav a"), ["« Anterior", "Próximo »"]);
        let shut =
            |n: u8| browser.attribute(&format!(".pager nav a:nth-of-type({n})"), "aria-disabled");
        assert_eq!((shut(1) == "true", shut(2) == "true"), (page == 1, page == 9));
        if page < 9 {
            browser.press("Próximo »");
        }
    }
    assert_eq!(seen.len(), 81);
    assert!(seen.is_sorted_by(|a, b| a >= b), "newest first");
    browser.press("« Anterior");
    browser.until_text("[data-page]", "Página 8 de 9");
    // By size, smallest first, then the other way.
    site.go(&browser, "/backups");
    browser.press("Tamanho");
    browser.until("return location.search.includes('ordem')");
    let sizes = cells(&browser, 4);
    browser.press("Tamanho");
    browser.until("return document.querySelector('#backups th[aria-sort]') !== null && document.readyState === 'complete'");
    assert_ne!(cells(&browser, 4), sizes);
    browser.press("Erro 4");
    browser.until("return document.querySelectorAll('#backups tbody tr').length === 4");
    assert_eq!(cells(&browser, 3), ["Erro"; 4]);
    assert!(browser.complaints().is_empty());
}

/// S113: as one types, by each column, in the words that are shown.
#[test]
fn a_search_finds_what_is_shown() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, CLIENT, "pt-BR");
    site.go(&browser, "/backups");
    for (words, column, count) in [
        ("servidor02", 2, "30 de 81 backups"),
        ("Alerta", 3, "5 de 81 backups"),
        ("6.21", 4, ""),
        ("14/11/2026", 5, "2 de 81 backups"),
        ("03:00:45", 6, "1 de 81 backups"),
        ("servidor02 alerta", 2, "1 de 81 backups"),
    ] {
        browser.fill("input[type=search]", words);
        let asked = json!(words);
        browser.until(&format!(
            "return new URLSearchParams(location.search).get('q') === {asked} && [...document.querySelectorAll('#backups tbody tr')]
               .every((tr) => tr.innerText.toLowerCase().includes({asked}.toLowerCase().split(' ')[0]))"
        ));
        if !count.is_empty() {
            browser.until_text("[data-count]", count);
        }
        let found = cells(&browser, column);
        let word = words.split(' ').next().unwrap();
        assert!(!found.is_empty() && found.iter().all(|c| c.contains(word)), "{words}: {found:?}");
        assert_eq!(
            browser.script("return document.activeElement.value"),
            json!(words),
            "the focus stays in the search"
        );
    }
    browser.fill("input[type=search]", "nada disso");
    browser.until_text(".none", "Nenhum backup corresponde à busca.");
    // S163: what is filtered, and nothing else, as CSV and JSON.
    browser.fill("input[type=search]", "erro servidor05");
    browser.until_text("[data-count]", "1 de 81 backups");
    browser.until("return document.querySelector('[data-export=csv]').href.includes('servidor05')");
    let read = |kind: &str| {
        let script = format!(
            "return await (await fetch(document.querySelector('[data-export={kind}]').href)).text()"
        );
        browser.promise(&script).as_str().unwrap().to_owned()
    };
    let csv = read("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    let heads = "\"#\";\"Hostname\";\"Status\";\"Tamanho\";\"Data de início\";\"Data de encerramento\";\"Status upload\"";
    assert_eq!(lines[0].trim_start_matches('\u{feff}').replace('"', ""), heads.replace('"', ""));
    assert!(lines[1].contains("servidor05") && lines[1].contains("15/11/2026 03:00:02"), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["Hostname"], "servidor05");
    assert!(browser.complaints().is_empty());
}

#[test]
fn a_backup_says_what_it_must() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sql(
        "INSERT INTO run_log (run, number, at, level, step, line) SELECT id, 9999, started, 3, NULL, \
         '<script>document.title=1</script><b>bold</b>' FROM backup WHERE chain = 'fin' AND verdict = 3",
    );
    site.sign_in(&browser, CLIENT, "pt-BR");
    site.go(&browser, "/backups?q=erro+servidor05");
    // S118: the chevron, and the whole row with it.
    assert!(browser.told("#backups a.go").1.starts_with("ver detalhes"));
    browser.click("#backups tbody tr td:nth-child(4)");
    browser.until("return /^\\/backups\\/\\d+$/.test(location.pathname)");
    // S119.
    assert_eq!(browser.text("h1"), "Detalhes do Backup");
    assert_eq!(
        browser.texts("#cartoes section:nth-child(1) dt"),
        [
            "Hostname",
            "Banco de dados",
            "Tamanho",
            "Data e hora de início",
            "Data e hora de conclusão",
            "Duração",
            "Status Backup"
        ]
    );
    assert_eq!(
        browser.texts("#cartoes section:nth-child(2) dt"),
        [
            "Arquivo",
            "Tamanho do arquivo",
            "Caminho do arquivo",
            "Bucket",
            "Data e hora de início",
            "Data e hora de conclusão",
            "Duração",
            "Status Upload"
        ]
    );
    assert_eq!(browser.text("#err"), "Erros no backup");
    let log = browser.text("#err-l");
    assert!(log.contains("RMAN-03009: falha do comando backup no canal c2"), "{log}");
    assert!(log.contains("<script>document.title=1</script><b>bold</b>"), "{log}");
    assert!(!browser.has("#err-l b") && !browser.has("#err-l script"));
    assert_eq!(browser.texts(".chips label").len(), 3);
    browser.click(".chips label:first-child");
    assert!(browser.text("#err-l").contains("begins"), "all lines");
    // The numbers of a good one; what went well has no section of errors.
    let good: i64 = site
        .space
        .catalog("SELECT number FROM backup WHERE chain = 'loja' AND started LIKE '2026-11-20%'");
    site.go(&browser, &format!("/backups/{good}"));
    let left = browser.texts("#cartoes section:nth-child(1) dd");
    let sql = "SELECT cast(round((julianday(finished) - julianday(started)) * 86400) AS INTEGER) FROM backup";
    let seconds: i64 = site.space.catalog(&format!("{sql} WHERE number = {good}"));
    let spelled = format!("{} minutos {} segundos", seconds / 60, seconds % 60);
    assert_eq!(
        left,
        [
            "servidor02",
            "loja, crm_br, crm_py, estoque",
            "6.21 GB",
            "20/11/2026 01:00:04",
            &left[4],
            &spelled,
            "Sucesso"
        ]
    );
    let right = browser.texts("#cartoes section:nth-child(2) dd");
    assert_eq!(right[0], "backup_20261120_010004.zip");
    assert_eq!(right[3], "vex-backup");
    assert_eq!(right[7], "Sucesso");
    assert!(!browser.has("#err"), "no errors, no section");
    // S165: each copy with its own state.
    assert_eq!(browser.texts("#copias tbody .lead"), ["cloud", "nas opcional"]);
    assert_eq!(browser.text("#etapas h2"), "Tempo por etapa");
    assert!(
        browser
            .text(".cmd code")
            .starts_with("vex restore /etc/vex/jobs/noturno.kdl loja --from cloud")
    );
    // A copy that could not be written says why, on its row.
    let alert: i64 = site
        .space
        .catalog("SELECT number FROM backup WHERE chain = 'erp' AND started LIKE '2026-11-20%'");
    site.go(&browser, &format!("/backups/{alert}"));
    assert_eq!(
        browser.texts("#copias tbody .end"),
        ["Sucesso", "Alerta gravar: No space left on device (os error 28)"]
    );
    assert_eq!(browser.texts("#cartoes section:nth-child(1) dd")[5], "6 minutos 16 segundos");
    assert!(browser.complaints().is_empty());
    // S118: what is not there.
    for path in ["/backups/999999", "/backups/x", "/backups/-1", "/execucoes/none"] {
        site.go(&browser, path);
        assert_eq!(browser.text("h1"), "Não há nada neste endereço", "{path}");
    }
    browser.press("Ver todos os backups");
    browser.until("return location.pathname === '/backups'");
}

/// A run: its steps as text, and the log with its filter.
#[test]
fn a_run_says_what_each_step_did() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "pt-BR");
    site.go(&browser, "/execucoes");
    assert_eq!(browser.text("h1"), "Execuções");
    browser.fill("input[type=search]", "noturno alerta");
    browser.until("return [...document.querySelectorAll('#lista tbody tr')].every((tr) => /noturno[^]*Alerta/.test(tr.innerText))");
    browser.click("#lista tbody tr:first-child a.go");
    browser.until("return location.pathname.startsWith('/execucoes/2026')");
    assert!(browser.text("h1").starts_with("noturno, "));
    assert_eq!(browser.texts("#etapas h2"), ["Etapas"]);
    assert_eq!(browser.text("#feito h2"), "O que cada etapa fez");
    let key = ["Leitura e compressão", "Envio", "Prova", "Retenção", "Falha"];
    let shown = browser.texts("#etapas .key span");
    assert!(!shown.is_empty() && shown.iter().all(|k| key.contains(&k.as_str())), "{shown:?}");
    browser.fill("input[data-log]", "sem espaço");
    let lines = browser.script("return [...document.querySelectorAll('.log li')].filter((li) => li.checkVisibility()).map((li) => li.innerText)");
    let lines = lines.as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|l| l.to_string().contains("sem espaço")));
}
