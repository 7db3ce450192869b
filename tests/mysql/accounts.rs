//! Users, roles and grants: dumped in the server's words, restored when asked for, and a login
//! works afterwards.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use serde_json::Value;

use crate::common::artifact;
use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, word};

const CANARY: &str = "CANARY-login";

/// Accounts of every awkward kind, for both brands.
const BOTH: [&str; 17] = [
    "CREATE DATABASE sh_op",
    "CREATE TABLE sh_op.t (i INT, j INT)",
    "CREATE TABLE sh_op.gone (i INT)",
    "CREATE PROCEDURE sh_op.p() SELECT 1",
    "CREATE USER 'a@b'@'%' IDENTIFIED BY 'CANARY-login'",
    "CREATE USER 'o''neil \\\\ \"x\"'@'10.0.0.0/255.0.0.0' IDENTIFIED BY 'CANARY-login' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5",
    "CREATE USER ''@'somewhere'",
    "CREATE USER locked@'%' IDENTIFIED BY 'CANARY-login' ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 5 DAY",
    "CREATE ROLE 'r one', inner_role",
    "GRANT SELECT ON `sh\\_%`.* TO inner_role",
    "GRANT inner_role TO 'r one'",
    "GRANT 'r one' TO 'a@b'@'%' WITH ADMIN OPTION",
    "GRANT SELECT (i), INSERT ON sh_op.t TO 'a@b'@'%'",
    "GRANT SELECT ON sh_op.gone TO 'a@b'@'%' WITH GRANT OPTION",
    "GRANT EXECUTE ON PROCEDURE sh_op.p TO 'a@b'@'%'",
    "GRANT RELOAD, PROCESS ON *.* TO locked@'%' WITH GRANT OPTION",
    "DROP TABLE sh_op.gone",
];

const MYSQL: [&str; 6] = [
    "SET DEFAULT ROLE 'r one' TO 'a@b'@'%'",
    "SET GLOBAL partial_revokes=ON",
    "GRANT SELECT, DELETE ON *.* TO locked@'%'",
    "REVOKE DELETE ON sh_op.* FROM locked@'%'",
    "GRANT BACKUP_ADMIN ON *.* TO locked@'%'",
    "ALTER USER locked@'%' ATTRIBUTE '{\"team\": \"DEFAULT ROLE \"}'",
];

const MARIADB: [&str; 2] =
    ["SET DEFAULT ROLE 'r one' FOR 'a@b'@'%'", "GRANT SELECT ON sh_op.* TO PUBLIC"];

fn furnished(brand: Brand) -> Server {
    let server = brand.start(&[]);
    let more: &[&str] = if brand.is_mariadb() { &MARIADB } else { &MYSQL };
    BOTH.iter().chain(more).for_each(|sql| server.exec(sql));
    server
}

/// What the server says of every account but its own and `root`.
fn accounts(server: &Server) -> BTreeMap<String, Vec<String>> {
    let mut connection = server.conn();
    let sql = "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'm%.%' AND user<>'root'";
    let all: Vec<(String, String)> = connection.query(sql).unwrap();
    let mut found = BTreeMap::new();
    if server.brand == Brand::Mysql9 {
        connection.query_drop("SET print_identified_with_as_hex=1").unwrap();
    }
    for (user, host) in all {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        let role = host.is_empty();
        let name = match user.as_str() {
            "PUBLIC" => user.clone(),
            _ if role => quoted(&user),
            _ => format!("{}@{}", quoted(&user), quoted(&host)),
        };
        let mut lines: Vec<String> = connection.query(format!("SHOW GRANTS FOR {name}")).unwrap();
        lines.sort();
        if !role {
            lines
                .extend(connection.query::<String, _>(format!("SHOW CREATE USER {name}")).unwrap());
        }
        found.insert(name, lines);
    }
    found
}

fn space(server: &Server, user: &str, accounts: &str) -> Space {
    let space = Space::new();
    let (password, seal) = (space.secret("pw", CANARY), space.secret("seal", "CANARY-seal"));
    let job = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"{user}\" {{ {accounts}; {} }} }}\n\
         stores {{ dir \"local\" path=\"store\" {{ keep last=3 }} }}\n\
         job \"j\" {{ dump \"db\" {{ archive {{ password (file)\"{}\" }}; send \"local\"; verify \"local\" }} }}\n",
        server.port,
        if user == "root" {
            String::new()
        } else {
            format!("password (file)\"{}\"", password.display())
        },
        seal.display()
    );
    space.job(&job)
}

fn manifest(space: &Space) -> Value {
    let key = word(&space.list()[0], "key").to_owned();
    let manifest = artifact::manifest(&space.path("store").join(key));
    assert!(!manifest.to_string().contains("CANARY"));
    manifest
}

#[track_caller]
fn same(found: &BTreeMap<String, Vec<String>>, expected: &BTreeMap<String, Vec<String>>) {
    for name in found.keys().chain(expected.keys()) {
        assert_eq!(found.get(name), expected.get(name), "{name}");
    }
}

/// Whether `a@b` gets in with its old password and its default role.
fn logs_in(server: &Server) -> bool {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(server.port)
        .prefer_socket(false);
    let connection = Conn::new(options.user(Some("a@b")).pass(Some(CANARY)));
    let Ok(mut connection) = connection else { return false };
    let role: Option<String> = connection.query_first("SELECT CURRENT_ROLE()").unwrap();
    role.is_some_and(|r| r.contains("r one"))
        && connection.query_drop("SELECT i FROM sh_op.t").is_ok()
}

#[test]
fn accounts_come_back_as_they_were_and_only_when_asked_for() {
    for brand in Brand::ALL {
        let source = furnished(brand);
        let before = accounts(&source);
        assert!(before.len() >= 6 && logs_in(&source), "{before:?}");
        let space = space(&source, "root", "accounts #true");
        space.run(&["check", "job.kdl", "--strict"]).expect(0);
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        let manifest = manifest(&space);
        assert_eq!(manifest["format"], 4);
        // A host name among MariaDB's own: no names are resolved here, so the server does not know
        // it either.
        let left: Vec<&Value> = manifest["not_included"].as_array().into_iter().flatten().collect();
        let known = |l: &&Value| {
            brand.is_mariadb() && l.as_str().is_some_and(|l| l.starts_with("account 'root'@"))
        };
        assert!(left.iter().all(known), "{left:?}");
        let kinds: Vec<&str> =
            manifest["members"].as_array().unwrap().iter().map(|m| word(m, "kind")).collect();
        let at = |kind: &str| kinds.iter().position(|k| *k == kind).unwrap();
        assert!(
            at("rows") < at("account")
                && at("account") < at("procedure")
                && at("procedure") < at("grants")
        );
        let target =
            brand.start(if brand == Brand::Mysql9 { &["--partial-revokes=ON"] } else { &[] });
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        let plain = ["restore", "job.kdl", "--into", &url];
        let ran = space.run(&plain).expect(0);
        assert!(
            ran.stdout.contains("! leaves out") && ran.stdout.contains("--accounts"),
            "{}",
            ran.stdout
        );
        assert_eq!(accounts(&target).len(), 0);
        target.exec("DROP DATABASE sh_op");
        let ran = space.run(&[&plain[..], &["--accounts"]].concat()).expect(0);
        assert!(ran.stdout.contains("those that exist are kept"), "{}", ran.stdout);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("CANARY"));
        same(&accounts(&target), &before);
        assert!(logs_in(&target));
    }
}

#[test]
fn an_account_that_exists_is_kept_or_replaced_as_it_was_said_and_the_connected_one_is_always_kept()
{
    for brand in Brand::ALL {
        let source = furnished(brand);
        let before = accounts(&source);
        let space = space(&source, "root", "accounts #true");
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        source.exec("ALTER USER 'a@b'@'%' IDENTIFIED BY 'other'");
        source.exec("REVOKE INSERT ON sh_op.t FROM 'a@b'@'%'");
        source.exec("DROP USER locked@'%'");
        let mine: Vec<String> = source.conn().query("SHOW GRANTS FOR root@localhost").unwrap();
        let changed = accounts(&source);
        source.exec("DROP DATABASE sh_op");
        // Through the socket it is root@localhost, which may grant PROXY.
        let url = format!("mysql://root@localhost?socket={}", source.socket.display());
        let restore = ["restore", "job.kdl", "--accounts", "--into", &url];
        space.run(&restore).expect(0);
        let now = accounts(&source);
        assert_eq!(now["'locked'@'%'"], before["'locked'@'%'"]);
        assert_eq!(
            now["'a@b'@'%'"].last(),
            changed["'a@b'@'%'"].last(),
            "{brand:?}: it was there: its password stays"
        );
        assert!(!now["'a@b'@'%'"].iter().any(|g| g.contains("INSERT")), "and so do its grants");
        space.run(&[&restore[..], &["--overwrite"]].concat()).expect(0);
        same(&accounts(&source), &before);
        // MariaDB makes whoever makes a role its administrator; nothing else of the connected
        // account has changed.
        let mut now: Vec<String> = source.conn().query("SHOW GRANTS FOR root@localhost").unwrap();
        now.retain(|g| {
            brand == Brand::Mysql9 || !(g.contains("` TO ") && g.ends_with("WITH ADMIN OPTION"))
        });
        assert_eq!(now, mine);
    }
}

#[test]
fn accounts_of_one_family_mean_nothing_to_the_other() {
    let (source, other) = (furnished(Brand::Mariadb), Brand::Mysql9.start(&[]));
    let space = space(&source, "root", "accounts #true");
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let url = format!("mysql://root@127.0.0.1:{}", other.port);
    let ran = space.run(&["restore", "job.kdl", "--accounts", "--into", &url]).expect(1);
    assert!(ran.stderr.contains("mean nothing to 9."), "{}", ran.stderr);
    assert_eq!(accounts(&other).len(), 0);
    let databases: Vec<String> = other.conn().query("SHOW DATABASES LIKE 'sh_op'").unwrap();
    assert!(databases.is_empty(), "nothing was written before the refusal");
    let ran = space
        .run(&["restore", "job.kdl", "--accounts", "--as", "x", "--only", "sh_op", "--into", &url])
        .expect(1);
    assert!(ran.stderr.contains("--accounts and --as"), "{}", ran.stderr);
}

#[test]
fn without_the_right_to_read_them_the_dump_is_refused_and_doctor_says_what_to_grant() {
    for brand in Brand::ALL {
        let source = furnished(brand);
        source.exec("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON sh_op.* TO 'a@b'@'%'");
        source.exec("GRANT RELOAD ON *.* TO 'a@b'@'%'");
        let space = space(&source, "a@b", "accounts #true; databases \"sh_op\"");
        let ran = space.run(&["run", "job.kdl"]).expect(1);
        assert!(ran.stderr.contains("unable to list the users"), "{}", ran.stderr);
        assert!(space.list().is_empty());
        let said = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
        let advice: Vec<&str> = said.iter().filter_map(|l| l["advice"].as_str()).collect();
        assert!(advice.contains(&"GRANT SELECT ON `mysql`.* TO 'a@b'@'%';"), "{advice:?}");
        advice.iter().filter(|a| a.starts_with("GRANT ")).for_each(|grant| source.exec(grant));
        space.run(&["run", "job.kdl"]).expect(0);
        assert_eq!(manifest(&space)["format"], 4);
    }
}

#[test]
fn without_accounts_the_backup_says_that_it_holds_none() {
    let source = furnished(Brand::Mariadb);
    let space = space(&source, "root", "accounts #false");
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let manifest = manifest(&space);
    assert_eq!(manifest["format"], 4);
    assert_eq!(manifest["not_included"], serde_json::json!(["users, roles and grants"]));
    let target = Brand::Mariadb.start(&[]);
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    let ran = space.run(&["restore", "job.kdl", "--accounts", "--into", &url]).expect(1);
    assert!(ran.stderr.contains("the backup holds no accounts"), "{}", ran.stderr);
}
