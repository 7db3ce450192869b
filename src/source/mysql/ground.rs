//! Ground for a measurement: a database of its own on the user's server, filled with rows that are
//! the same every time, and gone afterwards.
//!
//! Does not measure. Invariants: a database that exists is never touched; nothing of it goes into
//! the server's binary log, so that no replica gets it.

use std::path::Path;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::Stop;
use crate::job::{Engine, MysqlSpec};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::program::{Tool, find};
use crate::source::mysql::schema::quoted;
use crate::source::program::{Private, failed};
use crate::world::{Child, World};

/// Tables of it, each filled on a connection of its own.
const TABLES: u64 = 4;

/// Bytes of one statement that fills it.
const STATEMENT: usize = 1 << 20;

/// A program that says nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(3600);

/// Words of its texts: about as repetitive as what people write.
const WORDS: [&str; 16] = [
    "pedido",
    "entrega",
    "cliente",
    "produto",
    "estoque",
    "caixa",
    "azul",
    "verde",
    "Porto Velho",
    "São Paulo",
    "urgente",
    "revisado",
    "devolvido",
    "pago",
    "aberto",
    "cancelado",
];

/// A server on which databases are made and removed.
pub struct Ground {
    spec: MysqlSpec,
    connector: Connector,
    flavor: Flavor,
    private: Private,
}

impl Ground {
    /// On the server of `spec`.
    pub fn open(spec: &MysqlSpec, world: &World, stop: &Stop) -> Result<Ground> {
        let connector = Connector::new(spec, stop)?;
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        let private = Private::create(&world.staging())?;
        Ok(Ground { spec: spec.clone(), connector, flavor, private })
    }

    /// The server and its version.
    pub fn title(&self) -> String {
        format!("{}, {}", self.connector.place(), self.flavor.version)
    }

    /// A folder of its own, which is gone with it.
    pub fn folder(&self) -> &Path {
        self.private.path()
    }

    /// A connection that writes nothing into the binary log.
    fn silent(&self) -> Result<Conn> {
        let mut conn = self.connector.connect("measure")?;
        let doing = "write nothing of a measurement into the binary log";
        let logs: Option<u8> = conn.query_first("SELECT @@log_bin").map_err(|e| wrap(doing, e))?;
        if logs == Some(1) {
            run(&mut conn, "SET SESSION sql_log_bin=0", doing).map_err(|error| {
                error.hint("Its replicas would get all of it. Measure as an account that may set sql_log_bin.")
            })?;
        }
        Ok(conn)
    }

    /// Makes a database of about so many bytes; its rows.
    pub fn make(&self, database: &str, bytes: u64, stop: &Stop) -> Result<u64> {
        let doing = format!("make the database {database}");
        let mut conn = self.silent()?;
        // Without IF NOT EXISTS: one that is there is somebody's.
        let charset = "DEFAULT CHARACTER SET utf8mb4";
        run(&mut conn, &format!("CREATE DATABASE {} {charset}", quoted(database)), &doing)?;
        let made = std::thread::scope(|scope| {
            let own = |number: u64| {
                let doing = doing.clone();
                move || self.fill(database, number, bytes / TABLES, &doing, stop)
            };
            let running: Vec<_> = (0..TABLES).map(|number| scope.spawn(own(number))).collect();
            let ended = running
                .into_iter()
                .map(|thread| thread.join().expect("BUG: a panic while filling"));
            ended.collect::<Vec<_>>().into_iter().sum::<Result<u64>>()
        });
        made.or_else(|error| self.remove(database).and(Err(error)))
    }

    fn fill(
        &self,
        database: &str,
        number: u64,
        bytes: u64,
        doing: &str,
        stop: &Stop,
    ) -> Result<u64> {
        let mut conn = self.silent()?;
        let table = format!("{}.`itens_{number}`", quoted(database));
        run(
            &mut conn,
            &format!(
                "CREATE TABLE {table} (id BIGINT NOT NULL PRIMARY KEY, cliente VARCHAR(64) NOT NULL, \
                 descricao VARCHAR(255), valor DECIMAL(12,2) NOT NULL, criado DATETIME NOT NULL) ENGINE=InnoDB"
            ),
            doing,
        )?;
        let (mut id, mut written, mut noise) = (0, 0, Noise(number + 1));
        while written < bytes {
            stop.check()?;
            let mut statement = format!("INSERT INTO {table} VALUES ");
            while statement.len() < STATEMENT && written < bytes {
                let before = statement.len();
                id += 1;
                noise.row(id, &mut statement);
                written += (statement.len() - before) as u64;
            }
            statement.pop();
            run(&mut conn, &statement, doing)?;
        }
        Ok(id)
    }

    /// Removes a database that it made.
    pub fn remove(&self, database: &str) -> Result<()> {
        let doing = format!("remove the database {database}");
        run(&mut self.silent()?, &format!("DROP DATABASE {}", quoted(database)), &doing)
    }

    /// mydumper, if it is there and its name and version.
    pub fn mydumper(&self, stop: &Stop) -> Option<(Tool, String)> {
        let tool = find(Engine::Mydumper, &self.flavor, &self.spec.tools, stop).ok()?;
        let title = tool.title();
        Some((tool, title))
    }

    /// Has mydumper dump a database into a folder that is not there yet.
    pub fn dump(
        &self,
        tool: &Tool,
        (database, folder): (&str, &Path),
        threads: usize,
        stop: &Stop,
    ) -> Result<()> {
        let options = self.private.path().join("mydumper.cnf");
        if !options.exists() {
            self.private.write("mydumper.cnf", &tool.defaults(&self.connector, &[]))?;
        }
        let words = [
            tool.path.display().to_string(),
            format!("--defaults-file={}", options.display()),
            format!("--database={database}"),
            format!("--outputdir={}", folder.display()),
            format!("--threads={threads}"),
        ];
        let ran = Child::new(&words).stall(SILENCE).run(stop, &mut |_| {});
        ran.map_err(|error| failed("dump with mydumper", error))?;
        // It ends with 0 after some failures, and writes this last.
        match folder.join("metadata").is_file() {
            true => Ok(()),
            false => {
                let found = "it wrote no metadata, so it did not come to its end";
                Err(Error::new(ErrorKind::Failed, "dump with mydumper", found))
            }
        }
    }
}

/// Numbers that look random and are the same every time (SplitMix64, Steele and others 2014).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Adds a row and a comma.
    fn row(&mut self, id: u64, out: &mut String) {
        let customer = self.next();
        out.push_str(&format!("({id},'cliente {:08x}','", customer as u32));
        for _ in 0..6 + self.next() % 8 {
            let word = self.next();
            out.push_str(WORDS[(word % 16) as usize]);
            out.push_str(&format!(" {} ", word >> 44));
        }
        let (value, second) = (self.next() % 10_000_000, self.next());
        let (hour, minute) = (second % 24, second / 24 % 60);
        let (month, day) = (1 + second / 1440 % 12, 1 + second / 17_280 % 28);
        out.push_str(&format!(
            "',{}.{:02},'2026-{month:02}-{day:02} {hour:02}:{minute:02}:00'),",
            value / 100,
            value % 100
        ));
    }
}
