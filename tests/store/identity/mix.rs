//! Hosts, job files, a replaced server and a cloned one that share a folder and a bucket under one
//! name, in a seeded random order: nobody's backups are taken by another.
//!
//! Twenty runs; `VEX_IDENTITY_RUNS=200` for the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use mysql::prelude::Queryable;
use rusqlite::Connection;
use serde_json::Value;

use crate::common::s3_server::S3Server;
use crate::common::servers::{Brand, Place, Server};
use crate::common::space::{Ran, Space, contents, word};
use crate::store::identity::{grade, run_on};

/// Who makes backups.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Actor {
    name: &'static str,
    /// The host that vex runs on.
    host: &'static str,
    file: &'static str,
    database: Database,
    /// The origin, and the machine sign.
    origin: (String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Database {
    Sqlite(&'static str),
    Mysql(u16),
}

impl Actor {
    /// What its backups are of, but for the machine.
    fn chain(&self) -> (&str, &str) {
        (self.file, &self.origin.0)
    }
}

/// A backup as it should be.
#[derive(Debug, Clone)]
struct Made {
    id: String,
    by: Actor,
}

struct Scene {
    space: Space,
    server: S3Server,
    /// Where MySQL's backups come back to.
    back: &'static Server,
    /// What should stand in the folder of each job, oldest first.
    folders: BTreeMap<String, Vec<Made>>,
    /// Folders where two machines of one origin were found.
    found: BTreeSet<String>,
    last: Option<SystemTime>,
}

impl Scene {
    fn write_job(&self, actor: &Actor) {
        let source = match &actor.database {
            Database::Sqlite(path) => format!("sqlite \"shop\" path=\"{path}\""),
            Database::Mysql(port) => format!(
                "mysql \"shop\" host=\"127.0.0.1\" port={port} user=\"root\" {{ databases \"mixed\" }}"
            ),
        };
        let chain = "dump \"shop\" { send \"nas\" \"cloud\"; verify \"nas\" \"cloud\" }";
        let text = format!(
            "sources {{ {source} }}\nstores {{\n  dir \"nas\" path=\"nas\" {{ keep last=1 }}\n  \
             s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key \
             (file)\"{}\"; keep last=1 }}\n}}\njob \"nightly\" {{ {chain} }}\njob \"{}\" {{ {chain} }}\n",
            self.server.bucket,
            self.server.endpoint,
            self.server.access_file.display(),
            self.server.secret_file.display(),
            actor.name,
        );
        std::fs::write(self.space.path(actor.file), text).unwrap();
    }

    /// Changes the database, so that each of its backups is told from the others.
    fn touch(&self, actor: &Actor, turn: usize) {
        match &actor.database {
            Database::Sqlite(path) => {
                let db = Connection::open(self.space.path(path)).unwrap();
                db.execute_batch(&format!("INSERT INTO t VALUES ({turn}, '{}')", actor.name))
                    .unwrap();
            }
            Database::Mysql(port) => {
                let sql = format!("INSERT INTO mixed.t VALUES ({turn}, '{}')", actor.name);
                connect(*port).query_drop(sql).unwrap();
            }
        }
    }

    /// Runs a job, and compares everything with what should be.
    #[track_caller]
    fn run(&mut self, actor: &Actor, job: &str, turn: usize) {
        self.write_job(actor);
        self.touch(actor, turn);
        // A bucket knows seconds only: what came first is seen a second later.
        if let Some(last) = self.last {
            let next = last + Duration::from_millis(1010);
            std::thread::sleep(next.duration_since(SystemTime::now()).unwrap_or_default());
        }
        let ran = run_on(&self.space, actor.host, &["run", actor.file, job, "--strict"]);
        self.last = Some(SystemTime::now());
        let what = format!("turn {turn}, {} runs {job}", actor.name);
        let folder = self.folders.entry(job.to_owned()).or_default();
        let (own, others): (Vec<&Made>, Vec<&Made>) =
            folder.iter().partition(|m| m.by.chain() == actor.chain());
        let place = |sign: &str| {
            folder.iter().position(|m| m.by.chain() == actor.chain() && m.by.origin.1 == sign)
        };
        let twin = own.iter().find(|m| m.by.origin.1 != actor.origin.1);
        // The other machine made one after this one had: both are alive.
        if let Some(twin) = twin
            && place(&actor.origin.1).is_some_and(|own| place(&twin.by.origin.1) > Some(own))
        {
            self.found.insert(job.to_owned());
        }
        let is_told = !others.is_empty() || (twin.is_some() && self.found.contains(job));
        let said = format!("{what}\n{}\n{}", ran.stdout, ran.stderr);
        assert_eq!(grade(&ran), if is_told { "Alerta" } else { "Sucesso" }, "{said}");

        let lines = self.list(actor);
        let id = self.new_one(&lines, &what);
        let folder = self.folders.get_mut(job).unwrap();
        folder.retain(|m| m.by.chain() != actor.chain() || m.by.origin.1 != actor.origin.1);
        folder.push(Made { id, by: actor.clone() });
        for store in ["nas", "cloud"] {
            for job in ["nightly", actor.name] {
                let is = |l: &&Value| word(l, "store") == store && word(l, "job") == job;
                let found: BTreeSet<&str> =
                    lines.iter().filter(is).map(|l| word(l, "id")).collect();
                let expected = self.folders.get(job).map(Vec::as_slice).unwrap_or_default();
                let expected: BTreeSet<&str> = expected.iter().map(|m| m.id.as_str()).collect();
                assert_eq!(found, expected, "{job} in {store}: {said}");
            }
        }
        self.restore(actor, &what);
    }

    #[track_caller]
    fn list(&self, actor: &Actor) -> Vec<Value> {
        self.space.run(&["list", actor.file, "--format", "json"]).expect(0).json()
    }

    /// The ID that was not there before.
    #[track_caller]
    fn new_one(&self, lines: &[Value], what: &str) -> String {
        let known: BTreeSet<&str> =
            self.folders.values().flatten().map(|m| m.id.as_str()).collect();
        let found: BTreeSet<&str> =
            lines.iter().map(|l| word(l, "id")).filter(|id| !known.contains(id)).collect();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        (*found.first().unwrap()).to_owned()
    }

    /// Restores the newest of the source: where there are several databases it ends 64 and lists
    /// them, and takes the actor's own when that is named.
    #[track_caller]
    fn restore(&self, actor: &Actor, what: &str) {
        let visible = ["nightly", actor.name].into_iter().filter_map(|job| self.folders.get(job));
        let mut signs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for made in visible.flatten() {
            signs.entry(&made.by.origin.0).or_default().insert(&made.by.origin.1);
        }
        let labels = |(id, signs): (&&str, &BTreeSet<&str>)| -> Vec<String> {
            match signs.len() {
                1 => vec![(*id).to_owned()],
                _ => signs.iter().map(|sign| format!("{id}@{sign}")).collect(),
            }
        };
        let all: Vec<String> = signs.iter().flat_map(labels).collect();
        let ran = self.bring_back(actor, &[]);
        if all.len() == 1 {
            ran.expect(0);
        } else {
            let ran = ran.expect(64);
            for label in &all {
                assert!(ran.stderr.contains(label), "{what}: {label}: {}", ran.stderr);
            }
            let (id, sign) = &actor.origin;
            let own = [id.clone(), format!("{id}@{sign}")];
            let own = own.iter().find(|label| all.contains(label)).unwrap();
            self.bring_back(actor, &["--origin", own]).expect(0);
        }
        match &actor.database {
            Database::Sqlite(path) => {
                let (back, own) = (self.space.path("back.db"), self.space.path(path));
                assert_eq!(contents(&back), contents(&own), "{what}");
                std::fs::remove_file(back).unwrap();
            }
            Database::Mysql(port) => {
                assert_eq!(rows(self.back.port), rows(*port), "{what}");
                self.back.exec("DROP DATABASE mixed");
            }
        }
    }

    fn bring_back(&self, actor: &Actor, more: &[&str]) -> Ran {
        let into = match &actor.database {
            Database::Sqlite(_) => "sqlite:back.db".to_owned(),
            Database::Mysql(_) => format!("mysql://root@127.0.0.1:{}", self.back.port),
        };
        self.space.run(&[&["restore", actor.file, "--into", &into], more].concat())
    }
}

fn connect(port: u16) -> mysql::Conn {
    let options = mysql::OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(port);
    mysql::Conn::new(options.user(Some("root")).prefer_socket(false)).unwrap()
}

fn rows(port: u16) -> Vec<(i32, String)> {
    connect(port).query("SELECT turn, name FROM mixed.t ORDER BY turn").unwrap()
}

fn mysql_actor(name: &'static str, server: &Server) -> Actor {
    server.exec("CREATE DATABASE mixed");
    server.exec("CREATE TABLE mixed.t (turn INT PRIMARY KEY, name TEXT)");
    let sql = "SELECT @@server_uuid, @@hostname";
    let origin = server.conn().query_first(sql).unwrap().unwrap();
    let database = Database::Mysql(server.port);
    Actor { name, host: "alpha", file: "job.kdl", database, origin }
}

/// The next of a row of numbers that looks like chance (xorshift).
fn chance(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn nobody_takes_the_backups_of_another_host_file_server_or_clone() {
    let runs = std::env::var("VEX_IDENTITY_RUNS").map_or(20, |n| n.parse().unwrap());
    let space = Space::new();
    let sqlite = |name, host, file, path: &'static str| {
        let origin = (space.path(path).display().to_string(), host_sign(host));
        Actor { name, host, file, database: Database::Sqlite(path), origin }
    };
    for folder in ["a", "b"] {
        std::fs::create_dir(space.path(folder)).unwrap();
        space.database(&format!("{folder}/shop.db"), "CREATE TABLE t (turn PRIMARY KEY, name)");
    }
    let first = Brand::Mysql9.start(&[]);
    let clone = first.clone_identity(Place { host: Some("cloned"), port: None });
    let mut actors = [
        sqlite("alpha", "alpha", "job.kdl", "a/shop.db"),
        sqlite("beta", "beta", "job.kdl", "b/shop.db"),
        sqlite("other", "alpha", "other.kdl", "a/shop.db"),
        mysql_actor("server", &first),
        mysql_actor("clone", &clone),
    ];
    assert!(actors[3].origin.0 == actors[4].origin.0 && actors[3].origin.1 != actors[4].origin.1);
    let mut scene = Scene {
        space,
        server: S3Server::start(),
        back: Brand::Mysql9.shared(),
        folders: BTreeMap::new(),
        found: BTreeSet::new(),
        last: None,
    };
    let (mut state, mut server) = (20_261_129, Some(first));
    let mut second = None;
    for turn in 0..runs {
        if turn == runs / 2 {
            // Another server takes its place, at its address.
            let port = server.take().map(|s| s.port);
            let new = Brand::Mysql9.start_at(Place { host: None, port }, &[]);
            let replaced = std::mem::replace(&mut actors[3], mysql_actor("replaced", &new));
            assert!(actors[3].origin.0 != replaced.origin.0);
            second = Some(new);
        }
        let actor = &actors[chance(&mut state) as usize % actors.len()];
        let job = if chance(&mut state).is_multiple_of(4) { actor.name } else { "nightly" };
        scene.run(actor, job, turn);
    }
    assert!(scene.folders["nightly"].len() >= 5, "the mix was one");
    drop((second, clone));
}

/// The machine sign of a file on a host of this name.
fn host_sign(host: &str) -> String {
    let machine =
        vex::testing::world::World::real().machine().expect("this machine has an identity");
    let id = machine.split(' ').next().expect("an identity and a name");
    format!("{id} {host}")
}
