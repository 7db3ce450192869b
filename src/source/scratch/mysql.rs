//! A server of MySQL or MariaDB for one restore.
//!
//! Never an option file of the machine. The program is of the backup's own family and version, else
//! the next newer one; an older one could not take what was dumped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::base::Stop;
use crate::job::{MysqlSpec, SourceSpec, Tls};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::flavor::{Family, numbers};
use crate::source::mysql::program::version;
use crate::source::program::failed;
use crate::source::scratch::account::Account;
use crate::source::scratch::serve::{PATIENCE, Server, programs, serve};
use crate::source::scratch::wanted::Wanted;

/// A program that makes a data folder and says nothing for this long is taken for dead.
const SILENCE: Duration = Duration::from_secs(600);

/// Where packages have the servers.
const KNOWN: [&str; 4] = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin"];

/// What only MySQL is told: no second protocol, and no files but its own.
const OF_MYSQL: [&str; 3] =
    ["--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=256M"];

/// A server program.
struct Daemon {
    path: PathBuf,
    family: Family,
    number: (u32, u32),
}

impl Daemon {
    /// `MariaDB 10.11`.
    fn title(&self) -> String {
        format!("{} {}.{}", name(self.family), self.number.0, self.number.1)
    }

    /// The folder that its files stand in, if it is not that of the system.
    fn base(&self) -> Option<PathBuf> {
        let base = self.path.parent()?.parent()?;
        (base != Path::new("/usr")).then(|| base.to_path_buf())
    }

    /// What every call of it begins with.
    fn words(&self, data: &Path) -> Vec<String> {
        let mut words = vec![self.path.display().to_string(), "--no-defaults".to_owned()];
        if let Some(base) = self.base() {
            words.push(format!("--basedir={}", base.display()));
            let plugins = ["lib/mysql/plugin", "lib64/mysql/plugin", "lib/plugin"];
            let plugins = plugins.iter().map(|folder| base.join(folder)).find(|f| f.is_dir());
            words.extend(plugins.map(|folder| format!("--plugin-dir={}", folder.display())));
        }
        words.push(format!("--datadir={}", data.display()));
        words
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Mysql => "MySQL",
        Family::Mariadb => "MariaDB",
    }
}

/// Starts a server, hands it to `work`, and ends it.
pub fn in_scratch<T, E: From<Error>>(
    spec: &MysqlSpec,
    wanted: &Wanted<'_>,
    hear: &dyn Fn(String),
    work: &mut dyn FnMut(&SourceSpec) -> std::result::Result<T, E>,
    stop: &Stop,
) -> std::result::Result<T, E> {
    let daemon = find(&spec.tools, wanted.version, stop)?;
    let title = daemon.title();
    let account = Account::of("mysql", &title, stop)?;
    let private = account.folder(wanted.staging)?;
    let (data, socket) = (private.path().join("data"), private.path().join("mysql.sock"));
    initialise(&daemon, account, &data, stop)?;
    hear(format!("starts a server of {title} in {}", private.path().display()));
    let own = MysqlSpec {
        identity: None,
        host: "localhost".into(),
        socket: Some(socket.clone()),
        user: "root".into(),
        password: None,
        databases: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        max_lag: None,
        ..spec.clone()
    };
    let words = arguments(&daemon, &data, &socket);
    let server = Server { title: &title, words, account, signal: Signal::TERM, patience: PATIENCE };
    let connector = Connector::new(&own, stop)?;
    let ready = || connector.connect("reach").map(drop);
    let own = SourceSpec::Mysql(own);
    serve(&server, &ready, &mut || work(&own), stop)
}

/// How the server is called: reached by its socket only, and with nothing that runs by itself. What
/// it writes need not last.
fn arguments(daemon: &Daemon, data: &Path, socket: &Path) -> Vec<String> {
    let mut words = daemon.words(data);
    words.extend([
        format!("--socket={}", socket.display()),
        format!("--pid-file={}", socket.with_extension("pid").display()),
        format!("--tmpdir={}", data.display()),
    ]);
    let fixed = [
        "--skip-networking",
        "--skip-log-bin",
        "--event-scheduler=OFF",
        "--max-allowed-packet=1073741824",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=OFF",
        "--innodb-buffer-pool-size=256M",
    ];
    words.extend(fixed.map(str::to_owned));
    if daemon.family == Family::Mysql {
        words.extend(OF_MYSQL.map(str::to_owned));
    }
    words
}

/// Makes an empty data folder, in which `root` needs no password.
fn initialise(daemon: &Daemon, account: Account, data: &Path, stop: &Stop) -> Result<()> {
    let doing = format!("make the data folder of a scratch server of {}", daemon.title());
    let words = match daemon.family {
        Family::Mysql => {
            let mut words = daemon.words(data);
            words.extend(["--initialize-insecure", "--skip-log-bin"].map(str::to_owned));
            words
        }
        Family::Mariadb => {
            let mut words = vec![installer(daemon)?.display().to_string(), "--no-defaults".into()];
            if let Some(base) = daemon.base() {
                // An empty folder of sources: all files are where the prefix has them.
                words.extend([format!("--basedir={}", base.display()), "--srcdir=".to_owned()]);
            }
            let fixed = [
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ];
            words.extend(fixed.map(str::to_owned));
            words.push(format!("--datadir={}", data.display()));
            words
        }
    };
    let child = account.child(&words).stall(SILENCE);
    let mut last = Vec::new();
    let ended = child.run(stop, &mut |line| last.push(line.to_owned()));
    ended.map_err(|e| {
        let error = failed(&doing, e);
        let said = last[last.len().saturating_sub(3)..].join(" / ");
        Error { found: format!("{}; it says: {said}", error.found), ..error }
    })
}

/// MariaDB's own program that makes a data folder, beside the server.
fn installer(daemon: &Daemon) -> Result<PathBuf> {
    let base = daemon.base().unwrap_or_else(|| PathBuf::from("/usr"));
    let folders = [base.join("bin"), base.join("scripts"), base.join("sbin")];
    let found = programs(&["mariadb-install-db", "mysql_install_db"], &folders);
    found.into_iter().next().ok_or_else(|| {
        let doing = format!("start a scratch server of {}", daemon.title());
        let found = format!("there is no mariadb-install-db in {}", base.join("bin").display());
        Error::new(ErrorKind::Refused, doing, found).hint("Install the server package of MariaDB.")
    })
}

/// Major and minor number of what a server program says: `… Ver 11.8.6-MariaDB-5 from Debian …`.
fn number(version: &str) -> (u32, u32) {
    numbers(version.split_once("Ver ").map_or("", |(_, rest)| rest))
}

/// The server program of the family of `wanted`, a version as a server says it: the oldest that is
/// not older.
fn find(tools: &[PathBuf], wanted: &str, stop: &Stop) -> Result<Daemon> {
    let (family, least) = (Family::named(wanted), numbers(wanted));
    let beside = |tool: &PathBuf| {
        let above = tool.parent().unwrap_or(tool).to_path_buf();
        [tool.clone(), above.join("sbin"), above.join("libexec"), above.join("bin")]
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first: Vec<PathBuf> = tools.iter().flat_map(beside).collect();
    let then = std::env::split_paths(&path).filter(|p| p.is_absolute());
    let then: Vec<PathBuf> = then.chain(KNOWN.iter().map(PathBuf::from)).collect();
    let mut others = Vec::new();
    for folders in [first, then] {
        let mut best: Option<Daemon> = None;
        for path in programs(&["mariadbd", "mysqld"], &folders) {
            let text = version(&path, stop)?;
            let own = Daemon { family: Family::named(&text), number: number(&text), path };
            if own.family != family || own.number < least {
                others.push(format!("{} is {}", own.path.display(), own.title()));
            } else if best.as_ref().is_none_or(|b| own.number < b.number) {
                best = Some(own);
            }
        }
        if let Some(best) = best {
            return Ok(best);
        }
    }
    others.dedup();
    let own = format!("{} {}.{}", name(family), least.0, least.1);
    let found = match others.is_empty() {
        true => "there is no mariadbd and no mysqld on this machine".to_owned(),
        false => format!("it takes {own} or newer, and {}", others.join("; ")),
    };
    let hint = format!(
        "Install the server of {own} (it need not run), name the folder of its programs in `tools`, or give `into` a scratch source."
    );
    Err(Error::new(ErrorKind::Refused, format!("start a scratch server of {own}"), found)
        .hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_server_program_is_read_whoever_built_it() {
        for (text, wanted) in [
            ("mysqld Ver 9.7.4 for Linux on x86_64 (Debian)", (9, 7)),
            ("mariadbd Ver 11.8.6-MariaDB-5 from Debian for debian-linux-gnu on x86_64", (11, 8)),
            ("mariadbd Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", (10, 11)),
            ("something else", (0, 0)),
        ] {
            assert_eq!(number(text), wanted, "{text}");
        }
    }
}
