//! A pattern of a job that matches nothing is told in `plan`, in `doctor` and by the run, once each.

use mysql::prelude::Queryable;

use crate::common::servers::{Mariadb, Pg};
use crate::common::space::{Space, word};

/// What is said of each of the patterns that match nothing.
fn lines(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| format!("`{pattern}` matches nothing")).collect()
}

/// That all three tell of these, once each, and of no other.
#[track_caller]
fn told(space: &Space, patterns: &[&str]) {
    let expected = lines(patterns);
    let count = |text: &str, line: &str| text.matches(line).count();

    let plan = space.run(&["plan", "job.kdl"]).expect(0);
    let doctor = space.run(&["doctor", "job.kdl", "--format", "json"]);
    let run = space.run(&["run", "job.kdl", "--format", "json"]).expect(0);
    let said: Vec<String> = run
        .json()
        .iter()
        .filter(|e| e["event"] == "said" && e["level"] == "alert")
        .map(ToString::to_string)
        .collect();
    for line in &expected {
        assert_eq!(count(&plan.stdout, line), 1, "{line}\n{}", plan.stdout);
        let escaped = line.replace('"', "\\\"");
        assert_eq!(count(&doctor.stdout, &escaped), 1, "{line}\n{}", doctor.stdout);
        assert_eq!(count(&said.concat(), &escaped), 1, "{line}\n{}", run.stdout);
    }
    let all = count(&plan.stdout, "matches nothing");
    assert_eq!(all, expected.len(), "{}", plan.stdout);
    let ended = run.json().into_iter().rfind(|e| e["event"] == "run-finished").unwrap();
    assert_eq!(word(&ended, "verdict"), if patterns.is_empty() { "success" } else { "alert" });
}

#[test]
fn of_mysql() {
    let server = Mariadb::shared();
    let database = "idle_patterns";
    let mut conn = server.conn();
    conn.query_drop(format!("DROP DATABASE IF EXISTS {database}")).unwrap();
    conn.query_drop(format!("CREATE DATABASE {database}")).unwrap();
    conn.query_drop(format!("CREATE TABLE {database}.kept (a int primary key)")).unwrap();
    conn.query_drop(format!("CREATE TABLE {database}.sessions (a int primary key)")).unwrap();
    let socket = server.socket.display();
    let job = |patterns: &str| {
        format!(
            "sources {{ mysql \"s\" socket=\"{socket}\" user=\"root\" {{ {patterns} }} }}\n\
             stores {{ dir \"d\" path=\"d\" }}\n\
             job \"j\" {{ dump \"s\" {{ send \"d\" }} }}"
        )
    };
    let slips = "databases \"idle_pattern?\" \"idle_nobody*\"; \
                 exclude \"idle_patterns.session\" \"idle_patterns.sess*\" \"nowhere\"; \
                 tables \"idle_patterns.*\" \"idle_patterns.keep*\"";
    let space = Space::new().job(&job(slips));
    told(
        &space,
        &[
            "databases \"idle_nobody*\"",
            "exclude \"idle_patterns.session\"",
            "exclude \"nowhere\"",
            "tables \"idle_patterns.keep*\"",
        ],
    );
    let good = "databases \"idle_pattern?\"; exclude \"idle_patterns.sessions\" \"mysql\"";
    told(&Space::new().job(&job(good)), &[]);
    conn.query_drop(format!("DROP DATABASE {database}")).unwrap();
}

#[test]
fn of_postgres() {
    let server = Pg::V15.shared();
    server.sql("postgres", "DROP DATABASE IF EXISTS idle_patterns");
    server.sql("postgres", "CREATE DATABASE idle_patterns");
    server.sql(
        "idle_patterns",
        "CREATE SCHEMA empty; CREATE TABLE kept (a int); CREATE TABLE sessions (a int)",
    );
    let address =
        format!("socket=\"{}\" port={} user=\"postgres\"", server.socket.display(), server.port);
    let job = |patterns: &str| {
        format!(
            "sources {{ postgres \"s\" {address} {{ {patterns} }} }}\n\
             stores {{ dir \"d\" path=\"d\" }}\n\
             job \"j\" {{ dump \"s\" {{ send \"d\" }} }}"
        )
    };
    let slips = "databases \"idle_pattern?\" \"idle_nobody*\"; \
                 exclude \"idle_patterns.public.session\" \"idle_patterns.empty\" \"*.*.sess*\" \"idle_patterns.vacant\"; \
                 schemas \"idle_patterns.*\" \"idle_patterns.sales\"; tables \"idle_patterns.*\" \"idle_patterns.public.keep*\"";
    let space = Space::new().job(&job(slips));
    told(
        &space,
        &[
            "databases \"idle_nobody*\"",
            "exclude \"idle_patterns.public.session\"",
            "exclude \"idle_patterns.vacant\"",
            "schemas \"idle_patterns.sales\"",
            "tables \"idle_patterns.public.keep*\"",
        ],
    );
    server.sql("postgres", "DROP DATABASE idle_patterns");
}
