//! The write-ahead log of real servers, which call the real binary themselves.

pub mod keep;
pub mod recover;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, files};
use crate::postgres::physical::{by_socket, site};

/// A server whose `archive_command` calls vex for a job file in the space, and the space.
pub fn archiving(version: Pg, more: &[&str], wal: &str) -> (PgServer, Space) {
    let space = Space::new();
    open(&space);
    let command = format!("archive_command={}", push_command(&space));
    let mut settings = vec!["archive_mode=on", &command, "min_wal_size=32MB", "max_wal_size=64MB"];
    settings.extend(more);
    let server = settings.iter().fold(version.setup().alone(), |s, set| s.setting(set)).start();
    let space = job(space, &server, wal);
    (server, space)
}

/// The job file: base backups and the log in one folder.
pub fn job(space: Space, server: &PgServer, wal: &str) -> Space {
    let space = space.job(&format!(
        "sources {{ postgres \"erp\" user=\"postgres\" port={} {} }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }}; dir \"off\" path=\"off\" {{ keep last=9 }} }}\n\
         job \"weekly\" {{ physical \"erp\" {{ send \"nas\"; verify \"nas\" }} }}\n\
         job \"log\" {{ wal \"erp\" {{ {wal} }} }}\n",
        server.port,
        by_socket(server)
    ));
    site(&space, &server.version.programs());
    open(&space);
    space
}

/// Lets the user of a server in.
pub fn open(space: &Space) {
    let root = space.path("");
    fs::create_dir_all(space.path("nas")).unwrap();
    fs::create_dir_all(space.path("off")).unwrap();
    fs::create_dir_all(space.path("state/vex")).unwrap();
    let mut folders = vec![root];
    while let Some(path) = folders.pop() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        for entry in fs::read_dir(&path).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let mode = fs::Permissions::from_mode(0o666);
                    fs::set_permissions(entry.path(), mode).unwrap();
                }
            }
        }
    }
}

pub fn push_command(space: &Space) -> String {
    format!(
        "XDG_STATE_HOME={} {} wal push {} erp %p",
        space.path("state").display(),
        env!("CARGO_BIN_EXE_vex"),
        space.path("job.kdl").display()
    )
}

/// Waits longer than for what must come within seconds: the machine may be busy.
#[track_caller]
pub fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(Instant::now() < end, "waited in vain: {what}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends the segment that the server writes, and waits until it was archived; its name.
pub fn switch(server: &PgServer) -> String {
    // A segment in which nothing stands is not ended.
    server.value("postgres", "SELECT pg_logical_emit_message(true, 'test', 'switch')");
    let name =
        server.value("postgres", "SELECT pg_walfile_name(pg_switch_wal())").expect("a segment");
    patiently("the server archives a segment", || {
        let last = server.value("postgres", "SELECT last_archived_wal FROM pg_stat_archiver")?;
        (last[8..] >= name[8..]).then_some(())
    });
    name
}

/// The object of a file of the log in a store.
pub fn object(store: &Path, name: &str) -> Option<std::path::PathBuf> {
    let own = format!("{name}.zip");
    files(&store.join("logs")).into_iter().find(|path| path.file_name().unwrap() == own.as_str())
}

/// The system identifier.
pub fn system(server: &PgServer) -> String {
    server.value("postgres", "SELECT system_identifier FROM pg_control_system()").unwrap()
}

/// Brings a file of the log into the space, as a server would.
pub fn fetch(space: &Space, system: &str, name: &str) -> Ran {
    drop(fs::remove_file(space.path("fetched")));
    let words = ["wal", "fetch", "--system", system, "job.kdl", "erp", name, "fetched"];
    space.run(&words)
}
