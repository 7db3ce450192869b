//! The `vacuum` step on real servers: what the control table says is done, shown before, and said
//! afterwards.

use serde_json::Value;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, until, word};

const ZONE: &str = "America/Porto_Velho";

/// The seed's own table.
const FIXTURE: &str =
    "CREATE TABLE exemplo_vacuo (id bigserial PRIMARY KEY, codigo text, quantidade int, marcado boolean);
    INSERT INTO exemplo_vacuo (codigo, quantidade, marcado)
        SELECT 'ITEM-' || g, (random() * 100)::int, false FROM generate_series(1, 1000000) g;
    UPDATE exemplo_vacuo SET quantidade = quantidade + 1, marcado = true WHERE id % 10 IN (1, 2, 3);
    DELETE FROM exemplo_vacuo WHERE id % 5 = 0;";

fn space(server: &PgServer, user: &str, fields: &str) -> Space {
    Space::new().job(&format!(
        "sources {{ postgres \"erp\" socket=\"{}\" port={} user=\"{user}\" {{ databases \"erp\" }} }}\n\
         job \"j\" timezone=\"{ZONE}\" {{ vacuum \"erp\" {fields} }}\n",
        server.socket.display(),
        server.port
    ))
}

/// The last VACUUM of a table becomes one of so many days ago.
fn age(server: &PgServer, table: &str, days: u32) {
    server.sql("erp", &format!("DELETE FROM controle_vacuum WHERE tabela_nome = '{table}'"));
    server.sql(
        "erp",
        &format!(
            "INSERT INTO controle_vacuum (tabela_nome, ultima_execucao, tipo_vacuum)
             VALUES ('{table}', (now() AT TIME ZONE '{ZONE}')::date - {days} + time '23:59', 'VACUUM')"
        ),
    );
}

fn newest(server: &PgServer, table: &str) -> String {
    let sql = format!(
        "SELECT tipo_vacuum || (CASE WHEN ultima_execucao::date = (now() AT TIME ZONE '{ZONE}')::date THEN ' today' ELSE '' END)
         FROM controle_vacuum WHERE tabela_nome = '{table}' ORDER BY ultima_execucao DESC, id DESC LIMIT 1"
    );
    server.value("erp", &sql).unwrap_or_default()
}

/// Remarks of a run, with their weight.
fn said(ran: &Ran) -> Vec<(String, String)> {
    let said = ran.json().into_iter().filter(|e| e["event"] == "said");
    said.map(|e: Value| (word(&e, "level").to_owned(), word(&e, "text").to_owned())).collect()
}

fn run(space: &Space, code: i32) -> Ran {
    space.run(&["run", "job.kdl", "--strict", "--format", "json"]).expect(code)
}

#[test]
fn the_seeds_table_has_no_dead_row_after_vacuum_full_and_is_smaller() {
    for version in Pg::ALL {
        let server = version.start(&["autovacuum=off"]);
        server.sql("postgres", "CREATE DATABASE erp");
        FIXTURE.split_inclusive(';').for_each(|sql| server.sql("erp", sql));
        let dead = || {
            let sql = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'exemplo_vacuo'";
            server.value("erp", sql).and_then(|n| n.parse::<u64>().ok()).unwrap()
        };
        let bytes = || {
            server
                .value("erp", "SELECT pg_table_size('exemplo_vacuo')")
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        until("the counters say so", || (dead() > 400_000).then_some(()));
        let before = bytes();
        let space = space(&server, "postgres", "");
        let plan = space.run(&["plan", "job.kdl"]).expect(0).stdout;
        assert!(
            plan.contains("VACUUM FULL ANALYZE erp.public.exemplo_vacuo: never vacuumed, 1"),
            "{plan}"
        );
        assert!(plan.contains("ACCESS EXCLUSIVE") && plan.contains("size again on disk"), "{plan}");
        assert_eq!(
            server.value("erp", "SELECT to_regclass('controle_vacuum')"),
            None,
            "a plan changes nothing"
        );
        run(&space, 0);
        until("nothing is dead", || (dead() == 0).then_some(()));
        assert!(bytes() < before * 8 / 10, "{before} before, {} after", bytes());
        assert_eq!(newest(&server, "exemplo_vacuo"), "VACUUM FULL ANALYZE today");
        let columns =
            "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable, ', ' ORDER BY ordinal_position)
                       FROM information_schema.columns WHERE table_name = 'controle_vacuum'";
        assert_eq!(
            server.value("erp", columns).as_deref(),
            Some(
                "id integer NO, tabela_nome text NO, ultima_execucao timestamp without time zone NO, tipo_vacuum text YES"
            )
        );
        let again = run(&space, 0);
        let line = "erp.public.exemplo_vacuo: Último VACUUM foi há 0 dias. Não é necessário executar novamente.";
        assert_eq!(said(&again), [("info".to_owned(), line.to_owned())]);
        assert!(space.logs().contains(line));
        assert_eq!(
            server.value("erp", "SELECT count(*) FROM controle_vacuum").as_deref(),
            Some("1")
        );
    }
}

#[test]
fn the_control_table_decides_by_days_of_the_calendar() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE DATABASE erp");
        server.sql("erp", "CREATE TABLE t (a int)");
        let usual = space(&server, "postgres", "");
        let gentle = space(&server, "postgres", "full=#false");
        let weekly = space(&server, "postgres", "skip-below=\"1d\" full-above=\"7d\"");
        run(&usual, 0);
        for (space, days, expected) in [
            (&usual, 1, "VACUUM"),
            (&usual, 4, "VACUUM"),
            (&usual, 5, "VACUUM today"),
            (&usual, 10, "VACUUM today"),
            (&usual, 11, "VACUUM FULL ANALYZE today"),
            (&usual, 400, "VACUUM FULL ANALYZE today"),
            (&gentle, 4, "VACUUM"),
            (&gentle, 10, "VACUUM today"),
            (&gentle, 11, "VACUUM ANALYZE today"),
            (&weekly, 1, "VACUUM today"),
            (&weekly, 8, "VACUUM FULL ANALYZE today"),
        ] {
            age(&server, "t", days);
            let ran = run(space, 0);
            assert_eq!(newest(&server, "t"), expected, "{days} days");
            let line =
                format!("Último VACUUM foi há {days} dias. Não é necessário executar novamente.");
            assert_eq!(
                said(&ran).iter().any(|(_, text)| text.ends_with(&line)),
                expected == "VACUUM",
                "{days} days"
            );
        }
    }
}

#[test]
fn tables_of_any_name_kind_and_schema_are_vacuumed_and_what_is_left_out_is_not() {
    let server = Pg::V17.start(&[]);
    server.sql("postgres", "CREATE DATABASE erp");
    server.sql(
        "erp",
        "CREATE SCHEMA \"Vendas 1\"; CREATE TABLE \"Vendas 1\".\"we\"\"ird; DROP\" (a int);
         CREATE TABLE parted (a int) PARTITION BY RANGE (a); CREATE TABLE part1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
         CREATE UNLOGGED TABLE quick (a int); CREATE TABLE secret (a int); CREATE VIEW v AS SELECT 1;
         CREATE EXTENSION file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE far (a int) SERVER s OPTIONS (filename '/dev/null')",
    );
    let space = Space::new().job(&format!(
        "sources {{ postgres \"erp\" socket=\"{}\" port={} user=\"postgres\" {{ databases \"erp\"; exclude \"erp.public.secret\" }} }}\n\
         job \"j\" {{ vacuum \"erp\" }}\n",
        server.socket.display(),
        server.port
    ));
    run(&space, 0);
    let found = server
        .value("erp", "SELECT string_agg(tabela_nome, ', ' ORDER BY id) FROM controle_vacuum");
    assert_eq!(found.as_deref(), Some("Vendas 1.we\"ird; DROP, part1, quick"));
}

#[test]
fn a_locked_table_is_alerta_and_the_others_are_vacuumed() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE DATABASE erp");
        server.sql("erp", "CREATE TABLE busy (a int); CREATE TABLE free (a int)");
        let mut holder = server.client("erp");
        let mut held = holder.transaction().unwrap();
        // As an ALTER has it: nobody may even ask for its size.
        held.batch_execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE").unwrap();
        let space = space(&server, "postgres", "lock-timeout=\"1s\"");
        assert!(
            space
                .run(&["plan", "job.kdl"])
                .expect(0)
                .stdout
                .contains("VACUUM FULL ANALYZE erp.public.busy")
        );
        let ran = run(&space, 2);
        let alerts: Vec<_> = said(&ran).into_iter().filter(|(level, _)| level == "alert").collect();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert!(alerts[0].1.contains("VACUUM FULL ANALYZE on erp.public.busy"), "{alerts:?}");
        assert!(
            alerts[0].1.contains("lock timeout") && alerts[0].1.contains("`lock-timeout`"),
            "{alerts:?}"
        );
        assert_eq!(
            [newest(&server, "busy"), newest(&server, "free")],
            ["", "VACUUM FULL ANALYZE today"]
        );
        held.rollback().unwrap();
        run(&space, 0);
        assert_eq!(newest(&server, "busy"), "VACUUM FULL ANALYZE today");
    }
}

#[test]
fn a_vacuum_comes_before_the_dump_of_its_source_wherever_it_stands() {
    let space = Space::new().job(
        "sources { postgres \"erp\" host=\"127.0.0.1\" port=1 ; sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"nas\" path=\"store\" { keep last=3 } }\n\
         job \"j\" { dump \"erp\" \"app\" { send \"nas\"; verify \"nas\" }\n vacuum \"erp\"\n }",
    );
    let plan = space.run(&["plan", "job.kdl", "--offline"]).expect(0).stdout;
    let steps: Vec<&str> = plan.split("\n\n").collect();
    let find = |address: &str| {
        steps.iter().find(|s| s.lines().next().unwrap().ends_with(address)).unwrap()
    };
    let number = find("j/vacuum/erp").split('.').next().unwrap().trim();
    assert!(find("j/dump/erp").contains(&format!("waits for the end of {number}\n")), "{plan}");
    assert!(!find("j/dump/app").contains("waits"), "{plan}");
    assert!(!find("j/vacuum/erp").contains("waits"), "{plan}");
}

#[test]
fn a_locked_table_keeps_no_backup_away_and_the_vacuum_ends_before_the_dump_begins() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE DATABASE erp");
        server.sql(
            "erp",
            "CREATE TABLE busy (a int); INSERT INTO busy VALUES (1); CREATE TABLE free (a int)",
        );
        let mut holder = server.client("erp");
        let mut held = holder.transaction().unwrap();
        held.batch_execute("LOCK TABLE busy IN ACCESS SHARE MODE").unwrap();
        let space = Space::new().job(&format!(
            "sources {{ postgres \"erp\" socket=\"{}\" port={} {{ databases \"erp\" }} }}\n\
             stores {{ dir \"nas\" path=\"store\" {{ keep last=3 }} }}\n\
             tools {{ postgres \"{}\" }}\n\
             job \"j\" {{ dump \"erp\" {{ send \"nas\"; verify \"nas\" }}; vacuum \"erp\" lock-timeout=\"1s\" }}\n",
            server.socket.display(),
            server.port,
            version.programs().display()
        ));
        let events = run(&space, 2).json();
        let at = |event: &str, address: &str| {
            events
                .iter()
                .position(|e| e["event"] == event && e["address"] == address)
                .expect(address)
        };
        assert!(at("step-finished", "j/vacuum/erp") < at("step-started", "j/dump/erp"));
        assert_eq!(events[at("step-finished", "j/vacuum/erp")]["verdict"], "alert");
        assert_eq!(events[at("step-finished", "j/dump/erp")]["verdict"], "success");
        assert_eq!(events.last().unwrap()["verdict"], "alert");
        assert_eq!(word(&space.list()[0], "proof"), "read");
    }
}

#[test]
fn a_user_who_may_not_vacuum_a_table_hears_what_to_grant() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE ROLE keeper LOGIN; CREATE ROLE owner_of_it");
        server.sql("postgres", "CREATE DATABASE erp");
        server.sql("erp", "CREATE TABLE theirs (a int); ALTER TABLE theirs OWNER TO owner_of_it");
        server.sql("erp", "CREATE TABLE mine (a int); ALTER TABLE mine OWNER TO keeper");
        let space = space(&server, "keeper", "");
        let ran = run(&space, 1);
        let failed = ran.json().into_iter().find(|e| e["event"] == "step-finished").unwrap();
        assert!(word(&failed["failure"], "message").contains("controle_vacuum"), "{failed}");
        assert!(
            word(&failed["failure"], "hint")
                .contains("CREATE TABLE IF NOT EXISTS public.controle_vacuum"),
            "{failed}"
        );
        server.sql("erp", "GRANT CREATE ON SCHEMA public TO keeper");
        let ran = run(&space, 2);
        let alert = said(&ran).into_iter().find(|(level, _)| level == "alert").unwrap().1;
        assert!(
            alert.starts_with(
                "erp.public.theirs: VACUUM FULL ANALYZE can't be run: it belongs to owner_of_it"
            ),
            "{alert}"
        );
        assert_eq!(
            [newest(&server, "theirs"), newest(&server, "mine")],
            ["", "VACUUM FULL ANALYZE today"]
        );
        // Nobody is advised to be a member of an owner, who may be a superuser.
        let (advice, grant) = match version {
            Pg::V15 => ("nobody else may", "GRANT owner_of_it TO keeper"),
            Pg::V17 => ("GRANT pg_maintain TO keeper", "GRANT pg_maintain TO keeper"),
        };
        assert!(alert.contains(advice), "{alert}");
        assert_eq!(alert.contains(grant), version == Pg::V17, "{alert}");
        server.sql("erp", grant);
        run(&space, 0);
        assert_eq!(newest(&server, "theirs"), "VACUUM FULL ANALYZE today");
    }
}

#[test]
fn a_standby_is_not_vacuumed_and_is_told_apart() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.sql("postgres", "CREATE DATABASE erp");
        server.sql("erp", "CREATE TABLE t (a int)");
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        server.run("pg_basebackup", &["-D", data.to_str().unwrap(), "-R", "-c", "fast"]);
        let standby = version.setup().on(&data).start();
        let space = space(&standby, "postgres", "");
        let ran = run(&space, 1);
        assert!(
            ran.stdout.contains("is a standby") && ran.stdout.contains("Vacuum its primary"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_run_that_is_stopped_cancels_the_statement() {
    let server = Pg::V17.start(&[]);
    server.sql("postgres", "CREATE DATABASE erp");
    server.sql("erp", "CREATE TABLE busy (a int)");
    let mut holder = server.client("erp");
    let mut held = holder.transaction().unwrap();
    held.batch_execute("LOCK TABLE busy IN ACCESS SHARE MODE").unwrap();
    let space = space(&server, "postgres", "lock-timeout=\"1h\"");
    let running = space.start(&["run", "job.kdl"]);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'VACUUM FULL%' AND wait_event_type = 'Lock'";
    until("it waits", || (server.value("postgres", waits).as_deref() == Some("1")).then_some(()));
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.ends_soon(), 130);
    until("nothing waits", || {
        (server.value("postgres", waits).as_deref() == Some("0")).then_some(())
    });
    held.rollback().unwrap();
}
