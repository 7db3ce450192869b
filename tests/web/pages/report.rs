//! `vex report` on an estate with 81 backups: the words of the pages, what is written again, and
//! what a hostile name can't do.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::space::Space;
use crate::web::pages::estate;

/// A space whose catalog holds the estate.
pub fn filled() -> Space {
    let space = Space::new()
        .env("VEX_TEST_NOW", "2026-11-20T12:00:52Z")
        .env("TZ", estate::ZONE)
        .job("timezone \"America/Porto_Velho\"");
    space.run(&["report", "--out", "first"]).expect(0);
    run_sql(&space, &estate::statements());
    space
}

/// Does statements in the catalog of a space.
pub fn run_sql(space: &Space, statements: &[String]) {
    let mut connection = rusqlite::Connection::open(space.state("catalog.sqlite")).unwrap();
    let transaction = connection.transaction().unwrap();
    for sql in statements {
        transaction.execute_batch(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
    transaction.commit().unwrap();
}

fn read(space: &Space, page: &str) -> String {
    std::fs::read_to_string(space.path("out").join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// What a page shows: its text without its markup, blanks folded.
fn shown(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => {
                in_tag = true;
                text.push(' ');
            }
            '>' => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    let text = text.replace("&#x2f;", "/").replace("&amp;", "&").replace("&#x27;", "'");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn holds(text: &str, all: &[&str]) {
    for one in all {
        assert!(text.contains(one), "no {one:?} in:\n{text}");
    }
}

#[test]
fn the_report_of_an_estate_says_what_a_person_asks_at_eight() {
    let space = filled();
    space.run(&["report", "--out", "out"]).expect(0);
    let page = shown(&read(&space, "index.html"));
    holds(
        &page,
        &[
            "Acompanhe e visualize seus backups",
            "Estado em 20/11/2026 08:00:52",
            "1 de 5 fontes sem cópia provada no prazo",
            "Se tudo queimasse agora, voltaria ao estado de",
            "12 d 5 h atrás fin de cloud",
            "fin: 4 d 5 h além do prazo de 8 d",
            "erp: 3 noites sem a cópia em nas",
            "erp: teste de restauração vencido há 10 dias",
            "Últimas 30 noites",
            "Sucesso 7 hoje",
            "Alerta 2 hoje",
            "Erro 1 hoje",
            "10 por dia, hoje",
            "1 por hora, 08h",
            "1 por minuto, 08:00",
        ],
    );
    let list = read(&space, "backups.html");
    assert_eq!(list.matches("<tr><td class=\"seq\">").count(), 81);
    let text = shown(&list);
    holds(
        &text,
        &["Veja mais detalhes sobre seus backups", "Todos 81", "81 backups", "Página 1 de 9"],
    );
    let heads = "# Hostname Status Tamanho Data de início Data de encerramento Status upload";
    holds(&text, &[heads]);
    let number = number_of(&list, "20/11/2026 01:00:04", "18.51 GB");
    let details = shown(&read(&space, &format!("b/{number}.html")));
    holds(
        &details,
        &[
            "Detalhes do Backup",
            "Hostname servidor03",
            "Banco de dados erp, hr",
            "Tamanho 18.51 GB",
            "Data e hora de início 20/11/2026 01:00:04",
            "Data e hora de conclusão 20/11/2026 01:06:20",
            "Duração 6 minutos 16 segundos",
            "Status Backup Alerta",
            "Caminho do arquivo prod/noturno/erp/backup_20261120_010004.zip",
            "Bucket vex-backup",
            "Erros no backup",
            "A cópia em nas não foi gravada: gravar: No space left on device (os error 28)",
            "vex restore /etc/vex/jobs/noturno.kdl erp --from cloud --backup 20261120T050004Z",
        ],
    );
    let good = number_of(&list, "20/11/2026 01:00:04", "6.21 GB");
    let details = shown(&read(&space, &format!("b/{good}.html")));
    assert!(!details.contains("Erros no backup"), "{details}");
    let drills = shown(&read(&space, "restauracoes.html"));
    holds(
        &drills,
        &[
            "Registro de evidência, 22/10/2026 a 20/11/2026",
            "1. Escopo e política",
            "2. Execução no período 81 backups",
            "erp 30 25 3 1 1",
            "3. Testes de restauração",
            "Área de recuperação do laboratório ampliada para 80 GB.",
            "4. Exceções em aberto",
            "pagamentos: nunca testada; fonte nova em 19/11/2026, teste em 01/12/2026 admin.dados",
        ],
    );
    let sources = shown(&read(&space, "fontes.html"));
    holds(
        &sources,
        &["RPO agora", "RTO medido", "1 h 52 min", "vencido há 10 dias", "nunca testada"],
    );
    let sheet: serde_json::Value = serde_json::from_str(&read(&space, "evidencia.json")).unwrap();
    use sha2::{Digest, Sha256};
    let digest: String =
        Sha256::digest(sheet["record"].to_string()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(sheet["digest"].as_str(), Some(digest.as_str()));
    holds(&drills, &[&digest]);
}

/// The number of the backup of a row of the list.
fn number_of(list: &str, started: &str, size: &str) -> String {
    let row = list
        .lines()
        .find(|line| line.contains(&started.replace('/', "&#x2f;")) && line.contains(size))
        .unwrap_or_else(|| panic!("no row of {started} and {size}"));
    let (_, href) = row.split_once("href=\"b").unwrap();
    href.trim_start_matches("&#x2f;").split('.').next().unwrap().to_owned()
}

#[test]
fn another_schedule_does_not_change_what_was_planned_before() {
    let space = filled();
    let rows = |text: &str| -> Vec<String> {
        let (_, rest) = text.split_once("2. Execução no período").unwrap();
        let (table, _) = rest.split_once("3. Testes de restauração").unwrap();
        table.split_whitespace().map(str::to_owned).collect()
    };
    space.run(&["report", "--out", "out"]).expect(0);
    let before = shown(&read(&space, "restauracoes.html"));
    let failed = |space: &Space| read(space, "index.html").matches("de hoje com falha").count();
    let todo = failed(&space);
    // Moved a while ago: two moments more, of which one is over.
    let moved = "INSERT INTO schedule_override (host, file, job, state, schedule, who, at) SELECT host, file, job, 'on', \
         '*/15 * * * *', 'dba.plantao', '2026-11-20T11:40:00.000000Z' FROM declared_job WHERE job = 'noturno'";
    run_sql(&space, &[moved.to_owned()]);
    space.run(&["report", "--out", "out"]).expect(0);
    let after = shown(&read(&space, "restauracoes.html"));
    // What came before the first backup was not planned: the last one is new since yesterday.
    holds(&before, &["loja 30 28 1 1 0", "erp 30 25 3 1 1", "pagamentos 15 12 1 1 1"]);
    holds(&after, &["loja 32 28 1 1 1", "erp 32 25 3 1 2"]);
    assert_eq!(rows(&before).len(), rows(&after).len());
    assert_eq!(failed(&space), todo);
    // Stopped then: what was planned until then was planned.
    run_sql(&space, &["UPDATE schedule_override SET state = 'off', schedule = ''".to_owned()]);
    space.run(&["report", "--out", "out"]).expect(0);
    holds(&shown(&read(&space, "restauracoes.html")), &["loja 30 28 1 1 0", "erp 30 25 3 1 1"]);
}

#[test]
fn every_link_leads_to_a_file_of_the_folder_and_nowhere_else() {
    let space = filled();
    space.run(&["report", "--out", "out", "--lang", "en"]).expect(0);
    let all = files(&space.path("out"));
    let mut links = 0;
    for (name, text) in all.iter().filter(|(name, _)| name.ends_with(".html")) {
        assert!(text.contains("<html lang=\"en\""), "{name}");
        for bad in ["<form", "http://", "https://", " style=", "onclick", "<iframe"] {
            assert!(!text.contains(bad), "{name}: {bad}");
        }
        let folder = Path::new(name).parent().unwrap();
        for part in text.split("href=\"").chain(text.split("src=\"")).skip(1) {
            let href = part.split('"').next().unwrap().replace("&#x2f;", "/");
            let file = href.split('#').next().unwrap();
            if file.is_empty() || href.starts_with("data:") || part.starts_with("<!doctype") {
                continue;
            }
            let mut path = folder.to_path_buf();
            for step in file.split('/') {
                match step {
                    ".." => assert!(path.pop(), "{name}: {href}"),
                    step => path.push(step),
                }
            }
            assert!(all.contains_key(path.to_str().unwrap()), "{name} leads to {href}");
            links += 1;
        }
    }
    assert!(links > 1000, "{links}");
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for sub in ["", "b", "r"] {
        for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                all.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn a_page_that_did_not_change_is_not_written_again() {
    let space = filled();
    space.run(&["report", "--out", "out"]).expect(0);
    let before = times(&space.path("out"));
    run_sql(&space, &["UPDATE backup SET verdict = 2, note = 'olhe' WHERE number = 1".to_owned()]);
    let ran = space.run(&["report", "--out", "out"]).expect(0);
    let after = times(&space.path("out"));
    let written: Vec<&String> =
        after.iter().filter(|(name, at)| before.get(*name) != Some(at)).map(|(n, _)| n).collect();
    assert!(written.iter().any(|n| n.as_str() == "b/1.html"), "{written:?}");
    assert!(!written.iter().any(|n| n.as_str() == "b/2.html"), "{written:?}");
    assert!(written.len() < 15, "{written:?} {}", ran.stdout);
}

fn times(folder: &Path) -> BTreeMap<String, std::time::SystemTime> {
    files(folder)
        .into_keys()
        .map(|name| {
            let at = std::fs::metadata(folder.join(&name)).unwrap().modified().unwrap();
            (name, at)
        })
        .collect()
}

#[test]
fn hostile_names_stay_text_in_every_page() {
    let space = filled();
    let evil =
        "<img src=x onerror=alert(1)>\"'><script>alert(2)</script></title>=cmd|' /C calc'!A0";
    let quoted = format!("'{}'", evil.replace('\'', "''"));
    run_sql(
        &space,
        &[
            format!(
                "UPDATE backup SET host = {quoted}, units = {quoted}, note = {quoted}, server = {quoted}, name = {quoted}"
            ),
            format!("UPDATE run SET host = {quoted}"),
            format!("UPDATE run_log SET line = {quoted}"),
            format!("UPDATE copy SET place = {quoted}, object_key = {quoted}, bucket = {quoted}"),
            format!("UPDATE copy SET message = {quoted} WHERE message <> ''"),
            format!("UPDATE drill SET target = {quoted}, message = {quoted}, who = {quoted}"),
            format!("UPDATE remark SET body = {quoted}, owner = {quoted}"),
            format!("UPDATE declared_copy SET keep_text = {quoted}"),
        ],
    );
    space.run(&["report", "--out", "out"]).expect(0);
    for (name, text) in files(&space.path("out")) {
        match Path::new(&name).extension().and_then(|e| e.to_str()) {
            Some("html") => {
                assert!(!text.contains("<img") && !text.contains("<script>"), "{name}");
                assert!(!text.contains("</title>=cmd"), "{name}");
            }
            Some("csv") => assert!(!text.contains("\"=cmd") && !text.contains(";=cmd"), "{name}"),
            _ => {}
        }
    }
}

#[test]
fn an_empty_catalog_names_three_commands() {
    let space = Space::new().job("");
    space.run(&["report", "--out", "out"]).expect(0);
    let page = shown(&read(&space, "index.html"));
    holds(&page, &["Nenhum backup ainda", "vex check", "vex doctor", "vex run"]);
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let space = Space::new().job("");
    std::fs::create_dir(space.path("out")).unwrap();
    std::fs::write(space.path("out/index.html"), "mine").unwrap();
    let ran = space.run(&["report", "--out", "out"]).expect(1);
    assert!(ran.stderr.contains("vex did not write"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(space.path("out/index.html")).unwrap(), "mine");
    for foreign in ["backups.csv", "rows.js", "b/1.html", "r/x.html"] {
        let path = space.path("other").join(foreign);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let ran = space.run(&["report", "--out", "other"]).expect(1);
        assert!(ran.stderr.contains("vex did not write"), "{}", ran.stderr);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_dir_all(space.path("other")).unwrap();
    }
}
