//! mydumper and 7-Zip, measured: a dump into a folder, an archive of it, and its upload by vex's own
//! store, one after the other, as the works behind vex did it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::cli::args::Bench;
use crate::cli::exit::Exit;
use crate::cli::wiring::complain;
use crate::source::{Ground, Mydumper};
use crate::store::contract::{Error, ErrorKind, Store};
use crate::view::Stages;
use crate::world::Child;

/// The names of 7-Zip.
const PROGRAMS: [&str; 4] = ["7z", "7zz", "7za", "7zr"];

/// Bytes of a part of an upload.
const PART: u64 = 16 << 20;

/// A program that says nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(3600);

/// Both programs.
pub struct Beside<'a> {
    /// What they are.
    pub title: String,
    ground: &'a Ground,
    store: &'a dyn Store,
    /// What its keys begin with.
    prefix: String,
    mydumper: Mydumper,
    packer: PathBuf,
    threads: usize,
}

impl<'a> Beside<'a> {
    /// Where both are there.
    pub fn find(
        ground: &'a Ground,
        (store, prefix): (&'a dyn Store, &str),
        args: &Bench,
        stop: &Stop,
    ) -> Option<Beside<'a>> {
        let (mydumper, title) = ground.mydumper(stop)?;
        let path = std::env::var_os("PATH")?;
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let packer = PROGRAMS
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|path| path.is_file())?;
        let threads = usize::from(args.threads);
        let title = format!("{title} + 7-Zip -mx=1");
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Some(Beside { title, ground, store, prefix, mydumper, packer, threads })
    }

    /// Backs up once; nothing of it stays.
    pub fn run(&self, database: &str, stop: &Stop) -> Result<Stages, Exit> {
        let folder = self.ground.folder().join("dump");
        let archive = self.ground.folder().join(format!("{database}.7z"));
        let done = self.stages(database, (&folder, &archive), stop);
        // What could not be made is not there to be removed.
        drop(std::fs::remove_dir_all(&folder));
        drop(std::fs::remove_file(&archive));
        done.map_err(|why| {
            complain(&why);
            Exit::Error
        })
    }

    fn stages(
        &self,
        database: &str,
        (folder, archive): (&Path, &Path),
        stop: &Stop,
    ) -> Result<Stages, String> {
        let since = Instant::now();
        self.ground
            .dump(&self.mydumper, (database, folder), self.threads, stop)
            .map_err(|error| error.to_string())?;
        let dump = since.elapsed().as_secs_f64();
        let since = Instant::now();
        let words = [
            self.packer.display().to_string(),
            "a".into(),
            "-bd".into(),
            "-mx=1".into(),
            archive.display().to_string(),
            folder.display().to_string(),
        ];
        let packed = Child::new(&words).stall(SILENCE).run(stop, &mut |_| {});
        packed.map_err(|error| format!("unable to pack with 7-Zip: {error}"))?;
        let press = since.elapsed().as_secs_f64();
        let since = Instant::now();
        let key = format!("{}{database}/{database}.7z", self.prefix);
        let sent = self.send(&key, archive, stop);
        let upload = since.elapsed().as_secs_f64();
        // Also after Ctrl-C, and after an error: the object may be there all the same.
        let removed = match self.store.remove(&key, &Stop::new()) {
            Err(error) if error.kind != ErrorKind::Missing => Err(error.to_string()),
            Ok(()) | Err(_) => Ok(()),
        };
        sent.and(removed).map(|()| Stages { dump, press: Some(press), upload })
    }

    /// Sends a file, on as many lanes as vex itself has.
    fn send(&self, key: &str, file: &Path, stop: &Stop) -> Result<(), String> {
        use std::os::unix::fs::FileExt;
        let told = |error: Error| error.to_string();
        let read = |error: std::io::Error| format!("unable to read {}: {error}", file.display());
        let opened = std::fs::File::open(file).map_err(read)?;
        let length = opened.metadata().map_err(read)?.len();
        let upload = self.store.create(key, stop).map_err(told)?;
        let limits = self.store.limits();
        let lanes = if limits.unordered.is_kept() { limits.lanes.max(1) } else { 1 };
        let (next, failed) = (AtomicU32::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let offset = u64::from(number) * PART;
                        if offset >= length || failed.lock().expect("no panic").is_some() {
                            return;
                        }
                        let mut part = vec![0; PART.min(length - offset) as usize];
                        let sent =
                            opened.read_exact_at(&mut part, offset).map_err(read).and_then(|()| {
                                upload.part(number + 1, offset, &part, stop).map_err(told)
                            });
                        if let Err(why) = sent {
                            *failed.lock().expect("no panic") = Some(why);
                        }
                    }
                });
            }
        });
        match failed.into_inner().expect("no panic") {
            None => upload.finish(length).map_err(told),
            Some(why) => {
                upload.abort().map_err(|left| format!("{why}; and then {left}"))?;
                Err(why)
            }
        }
    }
}
