//! A folder of a server and the way to it: one connection for all, made when it is needed.
//!
//! Knows keys as paths below the folder, and not what becomes of files.

use std::sync::{Arc, Mutex, OnceLock};

use crate::base::Stop;
use crate::job::SftpSpec;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::sftp::session::Session;
use crate::store::temporary::is_temporary;
use crate::world::World;

/// A folder of a server.
pub struct Place {
    words: Vec<String>,
    root: String,
    name: String,
    world: World,
    /// Guards the connection, while one is made too: there is one for all.
    session: Mutex<Option<Arc<Session>>>,
    /// Whether the server syncs files; empty until one was reached.
    syncs: OnceLock<bool>,
}

impl Place {
    /// The folder of a spec; nobody is asked yet.
    pub fn new(spec: &SftpSpec, world: &World) -> Result<Place> {
        let user = spec.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let name = format!("sftp {user}{}:{}", spec.host, spec.path);
        // A host that looks like an option is one.
        let odd = |text: &str| text.starts_with('-') || text.chars().any(char::is_whitespace);
        if odd(&spec.host) || spec.user.as_deref().is_some_and(odd) {
            let doing = format!("open {name}");
            return Err(Error::new(ErrorKind::Failed, doing, "host or user is no name"));
        }
        let root = spec.path.trim_end_matches('/').to_owned();
        let (words, world) = (words(spec), world.clone());
        Ok(Place { words, root, name, world, session: Mutex::default(), syncs: OnceLock::new() })
    }

    /// The connection; one that ended is made anew.
    pub fn session(&self, doing: &str, stop: &Stop) -> Result<Arc<Session>> {
        stop.check()?;
        let mut slot = self.session.lock().expect("no panic while locked");
        if let Some(session) = slot.as_ref().filter(|session| !session.has_ended()) {
            return Ok(session.clone());
        }
        *slot = None;
        let session = Arc::new(Session::open(&self.words, doing, stop)?);
        self.syncs.get_or_init(|| session.syncs);
        *slot = Some(session.clone());
        Ok(session)
    }

    /// Whether the server syncs files, once it was reached.
    pub fn syncs(&self) -> Option<bool> {
        self.syncs.get().copied()
    }

    /// Its path as it is opened.
    pub fn root_path(&self) -> String {
        match self.root.as_str() {
            "" => "/".to_owned(),
            root => root.to_owned(),
        }
    }

    /// The path of a key.
    pub fn path(&self, key: &str, doing: &str) -> Result<String> {
        let bad = |part: &str| {
            matches!(part, "" | "." | "..") || is_temporary(part) || part.contains('\0')
        };
        match key.split('/').any(bad) {
            true => {
                let found = format!("{key:?} is no key for a folder");
                Err(Error::new(ErrorKind::Failed, doing, found))
            }
            false => Ok(format!("{}/{key}", self.root)),
        }
    }

    /// Makes the folders of a key, and the root above them.
    pub fn make_folders(
        &self,
        session: &Session,
        path: &str,
        doing: &str,
        stop: &Stop,
    ) -> Result<()> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder.is_empty() || session.look(folder, doing, stop)?.is_some_and(|f| f.is_folder()) {
            return Ok(());
        }
        self.make_folders(session, folder, doing, stop)?;
        session.make_folder(folder, doing, stop)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its path, without a `/` at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Chance, and the clock of this machine.
    pub fn world(&self) -> &World {
        &self.world
    }
}

/// The words that start the connection.
fn words(spec: &SftpSpec) -> Vec<String> {
    let mut words: Vec<String> = [
        "ssh",
        "-oBatchMode=yes",
        "-oStrictHostKeyChecking=yes",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=3",
        "-oConnectTimeout=15",
        "-oClearAllForwardings=yes",
        "-oPermitLocalCommand=no",
        "-T",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(spec.port.map(|port| format!("-p{port}")));
    words.extend(spec.user.as_ref().map(|user| format!("-l{user}")));
    if let Some(path) = &spec.identity {
        words.extend([format!("-i{}", path.display()), "-oIdentitiesOnly=yes".to_owned()]);
    }
    words.extend(
        spec.known_hosts.as_ref().map(|path| format!("-oUserKnownHostsFile={}", path.display())),
    );
    words.extend(["-s", "--"].map(str::to_owned));
    words.extend([spec.host.clone(), "sftp".to_owned()]);
    words
}
