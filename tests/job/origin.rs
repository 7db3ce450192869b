//! Which database a source is, and where it runs, as real servers and files tell it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use vex::testing::artifact::Origin;
use vex::testing::base::Stop;
use vex::testing::job::{
    ClusterSpec, HostRole, Inconsistent, MysqlSpec, PostgresSpec, SourceSpec, SqliteSpec, Tls,
};
use vex::testing::source::open;
use vex::testing::world::World;

use crate::common::servers::{Brand, Pg, PgServer, Place, Server};
use crate::common::space::{Space, word};

fn ask(spec: &SourceSpec) -> Origin {
    let source = open(spec, "s", &World::real(), &Stop::new()).expect("it opens");
    let origin = source.origin(&Stop::new()).expect("it answers");
    assert_eq!(source.origin(&Stop::new()).expect("it answers again"), origin);
    origin
}

fn mysql(server: &Server) -> MysqlSpec {
    MysqlSpec {
        identity: None,
        host: "127.0.0.1".into(),
        port: server.port,
        socket: None,
        user: "root".into(),
        password: None,
        databases: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: std::time::Duration::from_secs(1),
        ddl_wait: std::time::Duration::from_secs(10),
        max_lag: None,
        inconsistent: Inconsistent::Refuse,
        accounts: false,
        tools: Vec::new(),
    }
}

fn postgres(server: &PgServer) -> PostgresSpec {
    PostgresSpec {
        identity: None,
        hosts: vec!["127.0.0.1".into()],
        port: Some(server.port),
        socket: None,
        service: None,
        session: HostRole::Any,
        user: None,
        password: None,
        databases: Vec::new(),
        schemas: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: std::time::Duration::from_secs(5),
        max_lag: None,
        globals: false,
        tools: vec![server.version.programs()],
    }
}

/// What this machine is; the tests run on machines that have an identity.
fn machine() -> String {
    World::real().machine().expect("this machine has an /etc/machine-id")
}

fn host() -> Option<String> {
    Some(World::real().host())
}

#[test]
fn mysql_is_known_by_its_uuid_which_a_clone_of_its_files_has_too() {
    let (one, two) = (Brand::Mysql9.start(&[]), Brand::Mysql9.start(&[]));
    let (first, second) =
        (ask(&SourceSpec::Mysql(mysql(&one))), ask(&SourceSpec::Mysql(mysql(&two))));
    let written = std::fs::read_to_string(one.home().join("data/auto.cnf")).unwrap();
    assert!(written.contains(&first.id), "{first:?}: {written}");
    assert_eq!((&first.server, &first.sign), (&Some(first.id.clone()), &host()));
    assert!(!first.anywhere && first.id != second.id && first.server != second.server);

    // By its socket it is the same database.
    let socket = SourceSpec::Mysql(MysqlSpec { socket: Some(one.socket.clone()), ..mysql(&one) });
    assert_eq!(ask(&socket), first);

    // A clone of its files, on the same machine and on another.
    let clone = one.clone_identity(Place::default());
    assert_eq!(ask(&SourceSpec::Mysql(mysql(&clone))), first);
    drop(clone);
    let elsewhere = one.clone_identity(Place { host: Some("elsewhere"), port: None });
    let sign = Some("elsewhere".to_owned());
    assert_eq!(ask(&SourceSpec::Mysql(mysql(&elsewhere))), Origin { sign, ..first });
}

#[test]
fn mariadb_is_known_by_the_address_as_written_and_told_by_host_port_and_folder() {
    for brand in [Brand::Mariadb, Brand::Mariadb11] {
        let (one, two) = (brand.start(&[]), brand.start(&[]));
        let first = ask(&SourceSpec::Mysql(mysql(&one)));
        let data = one.home().join("data");
        let expected = Origin {
            id: format!("127.0.0.1:{}", one.port),
            sign: host(),
            anywhere: false,
            server: Some(format!(
                "mariadb {}:{} {}/",
                World::real().host(),
                one.port,
                data.display()
            )),
        };
        assert_eq!(first, expected);
        let second = ask(&SourceSpec::Mysql(mysql(&two)));
        assert!(second.id != first.id && second.server != first.server);
        let socket = MysqlSpec { socket: Some(one.socket.clone()), ..mysql(&one) };
        let by_socket = ask(&SourceSpec::Mysql(socket));
        assert_eq!(by_socket, Origin { id: one.socket.display().to_string(), ..first });
    }
}

#[test]
fn postgres_is_known_by_its_system_identifier_whatever_way_leads_to_it() {
    for version in Pg::ALL {
        let one = version.start(&[]);
        let first = ask(&SourceSpec::Postgres(postgres(&one)));
        let identifier = one.value("postgres", "SELECT system_identifier FROM pg_control_system()");
        let expected = Origin {
            id: identifier.clone().unwrap(),
            sign: Some(machine()),
            anywhere: false,
            server: identifier,
        };
        assert_eq!(first, expected);
        let socket =
            PostgresSpec { hosts: Vec::new(), socket: Some(one.socket.clone()), ..postgres(&one) };
        assert_eq!(ask(&SourceSpec::Postgres(socket)), first);
        let files = ClusterSpec {
            server: postgres(&one),
            physical: vex::testing::job::Physical::default(),
        };
        assert_eq!(ask(&SourceSpec::Cluster(files)), first);
        let several =
            PostgresSpec { hosts: vec!["127.0.0.1".into(), "127.0.0.2".into()], ..postgres(&one) };
        assert_eq!(ask(&SourceSpec::Postgres(several)), Origin { anywhere: true, ..first });
    }
}

#[test]
fn two_clusters_of_postgres_are_two_origins_and_a_role_needs_no_right_to_tell() {
    let found: BTreeSet<String> = Pg::ALL
        .into_iter()
        .map(|version| {
            let server = version.start(&[]);
            server.sql("postgres", "CREATE ROLE nobody LOGIN");
            let spec = PostgresSpec { user: Some("nobody".into()), ..postgres(&server) };
            ask(&SourceSpec::Postgres(spec)).id
        })
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn an_identifier_that_may_not_be_read_is_asked_of_replication_else_the_address_takes_its_place() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        let identifier = ask(&SourceSpec::Postgres(postgres(&server))).id;
        server.sql(
            "postgres",
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE plain LOGIN; \
             CREATE ROLE copier LOGIN REPLICATION",
        );
        let space = |user: &str| {
            Space::new().job(&format!(
                "sources {{ postgres \"db\" host=\"127.0.0.1\" port={} user=\"{user}\" }}\n\
                 job \"j\" {{ vacuum \"db\" }}\n",
                server.port
            ))
        };
        let of = |user: &str| {
            ask(&SourceSpec::Postgres(PostgresSpec {
                user: Some(user.into()),
                ..postgres(&server)
            }))
        };
        assert_eq!(of("copier").id, identifier);
        assert_eq!(said(&space("copier")), format!("ok {identifier}@{} ", machine()));
        let expected = Origin {
            id: format!("127.0.0.1:{}", server.port),
            sign: Some(machine()),
            anywhere: false,
            server: None,
        };
        assert_eq!(of("plain"), expected);
        let said = said(&space("plain"));
        assert!(said.starts_with(&format!("alert {expected}: the user may not read")), "{said}");
        assert!(said.contains("GRANT EXECUTE ON FUNCTION pg_control_system() TO"), "{said}");
    }
}

/// What doctor says of the origin of the source `db`.
fn said(space: &Space) -> String {
    let lines: Vec<Value> = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
    let line = lines.iter().find(|l| l["looked"] == "origin").expect("a finding");
    let advice = line["advice"].as_str().unwrap_or_default();
    format!("{} {} {advice}", word(line, "grade"), word(line, "found"))
}

#[test]
fn sqlite_is_known_by_its_path_as_written_and_told_by_its_file() {
    use std::os::unix::fs::MetadataExt;
    let space = Space::new();
    let file = space.database("app.db", "CREATE TABLE t (a)");
    std::os::unix::fs::symlink(&file, space.path("link.db")).unwrap();
    std::fs::hard_link(&file, space.path("other.db")).unwrap();
    let of = |path: PathBuf| ask(&SourceSpec::Sqlite(SqliteSpec { identity: None, path }));
    let first = of(file.clone());
    let seen = std::fs::metadata(&file).unwrap();
    let expected = Origin {
        id: file.display().to_string(),
        sign: Some(machine()),
        anywhere: false,
        server: Some(format!("sqlite {}:{}", seen.dev(), seen.ino())),
    };
    assert_eq!(first, expected);
    assert_eq!(of(space.path("x/.././app.db")), first);
    for other in ["link.db", "other.db"] {
        let path = space.path(other);
        let id = path.display().to_string();
        assert_eq!(of(path), Origin { id, ..first.clone() }, "{other}");
    }
    let missing = of(space.path("missing.db"));
    assert_eq!((missing.server, missing.sign), (None, Some(machine())));
    let copy = space.path("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    assert_ne!(of(copy).server, first.server);
}

#[test]
fn an_identity_that_is_written_wins_and_is_the_same_on_every_machine() {
    let (mysql_server, postgres_server) = (Brand::Mysql9.shared(), Pg::V17.shared());
    let identity = Some("the shop".to_owned());
    let space = Space::new();
    let path = space.database("app.db", "CREATE TABLE t (a)");
    let mariadb = mysql(Brand::Mariadb.shared());
    for (bare, named) in [
        (mysql(mysql_server), MysqlSpec { identity: identity.clone(), ..mysql(mysql_server) }),
        (mariadb.clone(), MysqlSpec { identity: identity.clone(), ..mariadb }),
    ]
    .map(|(bare, named)| (SourceSpec::Mysql(bare), SourceSpec::Mysql(named)))
    .into_iter()
    .chain([
        (
            SourceSpec::Postgres(postgres(postgres_server)),
            SourceSpec::Postgres(PostgresSpec {
                identity: identity.clone(),
                ..postgres(postgres_server)
            }),
        ),
        (
            SourceSpec::Sqlite(SqliteSpec { identity: None, path: path.clone() }),
            SourceSpec::Sqlite(SqliteSpec { identity: identity.clone(), path }),
        ),
    ]) {
        let (found, own) = (ask(&named), ask(&bare));
        assert_eq!(found, Origin { id: "the shop".into(), anywhere: true, ..own });
        assert_eq!(found.to_string(), "the shop");
    }
    let space = space.job(
        "sources { sqlite \"db\" path=\"app.db\" identity=\"the shop\" }\n\
         stores { dir \"st\" path=\"st\" { keep last=3 } }\n\
         job \"j\" { dump \"db\" { send \"st\"; verify \"st\" } }\n",
    );
    assert_eq!(said(&space), "ok the shop ");
}
