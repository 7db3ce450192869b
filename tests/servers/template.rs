//! The data folders that servers start from: initialised once, copied often.
//!
//! A template is named after the program that made it, made under another name and renamed when whole, under a file
//! lock, since each test is a process.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::servers::Brand;

/// Both servers resolve no names, and MySQL knows `root` from `localhost` only.
const ROOT_OVER_TCP: &str = "CREATE USER IF NOT EXISTS root@'127.0.0.1';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
";

/// The server program with the arguments that every call needs.
pub fn server(brand: Brand) -> Command {
    let mut command = Command::new(program(brand));
    command.arg("--no-defaults");
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    match brand {
        Brand::Mariadb => command.arg("--innodb-log-file-size=16M"),
        Brand::Mysql9 => command
            .arg(format!("--basedir={}", mysql9_prefix().join("usr").display()))
            .arg(format!("--plugin-dir={}", mysql9_prefix().join("usr/lib/mysql/plugin").display()))
            .args(["--mysqlx=OFF", "--secure-file-priv=", "--innodb-redo-log-capacity=32M"]),
    };
    command
}

/// Copies the template to `data`, which must not exist.
pub fn copy(brand: Brand, data: &Path) {
    let done = Command::new("cp").args(["-a", "--reflink=auto"]).arg(template(brand)).arg(data).status();
    assert!(done.expect("cp starts").success(), "unable to copy the template of {brand:?}");
}

fn template(brand: Brand) -> PathBuf {
    let program = program(brand);
    let seen = fs::metadata(&program).expect("the program is there");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    fs::create_dir_all(&folder).expect("target/tmp can be written");
    let made = folder.join(format!("{brand:?}-{:x}-{:x}", seen.size(), seen.mtime()));
    let lock = File::create(folder.join(format!("{brand:?}.lock"))).expect("target/tmp can be written");
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
        Brand::Mariadb => {
            let mut command = Command::new(find("mariadb-install-db"));
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
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
    assert!(output.status.success(), "{brand:?} can't be initialised:\n{}", String::from_utf8_lossy(&said));
    // Each copy finds an identity of its own.
    if brand == Brand::Mysql9 {
        fs::remove_file(data.join("auto.cnf")).expect("MySQL wrote its identity");
    }
}

fn program(brand: Brand) -> PathBuf {
    match brand {
        Brand::Mariadb => find("mariadbd"),
        Brand::Mysql9 => {
            let program = mysql9_prefix().join("usr/sbin/mysqld");
            assert!(program.is_file(), "MySQL 9 is not at {}: run tests/run.sh", program.display());
            program
        }
    }
}

/// Where `tests/run.sh` puts MySQL 9.
pub fn mysql9_prefix() -> PathBuf {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("VEX_MYSQL9_PREFIX").unwrap_or_else(|| {
        let cache = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache"))).unwrap_or_default();
        path("VEX_TEST_CACHE").unwrap_or_else(|| cache.join("vex-tests")).join("mysql9")
    })
}

/// A program on the PATH, or where Debian keeps servers.
fn find(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/local/sbin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run tests/run.sh"))
}
