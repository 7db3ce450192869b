//! The data folders that servers start from: initialised once, copied often.
//!
//! A template is named after the program that made it, made under another name and renamed when
//! whole, under a file lock, since each test is a process.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::servers::Brand;

/// The servers resolve no names, and MySQL knows `root` from `localhost` only.
const ROOT_OVER_TCP: &str = "CREATE USER IF NOT EXISTS root@'127.0.0.1';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
";

/// The server program with the arguments that every call needs.
pub fn server(brand: Brand) -> Command {
    let mut command = Command::new(daemon(brand));
    command.arg("--no-defaults");
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    if let Some(prefix) = prefix(brand) {
        command.arg(format!("--basedir={}", prefix.join("usr").display()));
        command.arg(format!("--plugin-dir={}", prefix.join("usr/lib/mysql/plugin").display()));
    }
    match brand {
        Brand::Mariadb | Brand::Mariadb11 => command.arg("--innodb-log-file-size=16M"),
        Brand::Mysql9 => {
            command.args(["--mysqlx=OFF", "--secure-file-priv=", "--innodb-redo-log-capacity=32M"])
        }
    };
    command
}

/// Copies the template to `data`, which must not exist.
pub fn copy(brand: Brand, data: &Path) {
    let done =
        Command::new("cp").args(["-a", "--reflink=auto"]).arg(template(brand)).arg(data).status();
    assert!(done.expect("cp starts").success(), "unable to copy the template of {brand:?}");
}

fn template(brand: Brand) -> PathBuf {
    let seen = fs::metadata(daemon(brand)).expect("the program is there");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    fs::create_dir_all(&folder).expect("target/tmp can be written");
    let made = folder.join(format!("{brand:?}-{:x}-{:x}", seen.size(), seen.mtime()));
    let lock =
        File::create(folder.join(format!("{brand:?}.lock"))).expect("target/tmp can be written");
    lock.lock().expect("the file system has locks");
    if !made.exists() {
        let half = made.with_extension("half");
        fs::remove_dir_all(&half).unwrap_or_default();
        initialise(brand, &half);
        fs::rename(&half, &made).expect("the template can be renamed");
    }
    made
}

fn initialise(brand: Brand, data: &Path) {
    let mut command = match brand {
        Brand::Mysql9 => {
            let script = data.with_extension("sql");
            fs::write(&script, ROOT_OVER_TCP).expect("target/tmp can be written");
            let mut command = server(brand);
            command.args(["--initialize-insecure", "--skip-log-bin", "--innodb-doublewrite=OFF"]);
            command.arg(format!("--init-file={}", script.display()));
            command
        }
        // It lets `root` in from 127.0.0.1 by itself.
        Brand::Mariadb | Brand::Mariadb11 => {
            let mut command = Command::new(program(brand, "usr/bin", "mariadb-install-db"));
            command.arg("--no-defaults");
            if let Some(prefix) = prefix(brand) {
                // An empty folder of sources: all files are where the prefix has them.
                command.arg(format!("--basedir={}", prefix.join("usr").display())).arg("--srcdir=");
            }
            command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
            command.args(["--skip-name-resolve", "--innodb-log-file-size=16M"]);
            if rustix::process::geteuid().is_root() {
                command.arg("--user=root");
            }
            command
        }
    };
    let output = command.arg(format!("--datadir={}", data.display())).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{brand:?}: {e}: run tests/run.sh"));
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{brand:?} can't be initialised:\n{}",
        String::from_utf8_lossy(&said)
    );
    // Each copy finds an identity of its own.
    if brand == Brand::Mysql9 {
        fs::remove_file(data.join("auto.cnf")).expect("MySQL wrote its identity");
    }
}

fn daemon(brand: Brand) -> PathBuf {
    program(brand, "usr/sbin", if brand.is_mariadb() { "mariadbd" } else { "mysqld" })
}

/// A program of this brand; `folder` is where a prefix has it.
pub fn program(brand: Brand, folder: &str, name: &str) -> PathBuf {
    let Some(prefix) = prefix(brand) else { return find(name) };
    let program = prefix.join(folder).join(name);
    assert!(program.is_file(), "{brand:?} has no {}: run tests/run.sh", program.display());
    program
}

/// Where `tests/run.sh` puts a server that this Debian does not have.
fn prefix(brand: Brand) -> Option<PathBuf> {
    let (variable, folder) = match brand {
        Brand::Mariadb => return None,
        Brand::Mysql9 => ("VEX_MYSQL9_PREFIX", "mysql9"),
        Brand::Mariadb11 => ("VEX_MARIADB11_PREFIX", "mariadb11"),
    };
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(path(variable).unwrap_or_else(|| {
        let cache = path("XDG_CACHE_HOME")
            .or_else(|| Some(path("HOME")?.join(".cache")))
            .unwrap_or_default();
        path("VEX_TEST_CACHE").unwrap_or_else(|| cache.join("vex-tests")).join(folder)
    }))
}

/// A program on the PATH, or where Debian keeps servers.
fn find(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/local/sbin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run tests/run.sh"))
}
