//! A report, served as it is: every file of the folder is read once, at the start, and again when
//! the report is written anew.
//!
//! Invariant: a request chooses among names that were listed, and opens nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, openat as open};

use crate::web::exchange::{Handler, Method, Request, Response};
use crate::web::state::lock;

/// The list that a report is written with; its time says when.
const LIST: &str = ".vex-report.json";

/// Bytes of a report that are held at most.
const MOST: u64 = 1 << 30;

/// A report.
pub struct ReportPages {
    folder: PathBuf,
    held: Mutex<(SystemTime, BTreeMap<String, Vec<u8>>)>,
}

impl ReportPages {
    /// The report of a folder; an error where there is none.
    pub fn open(folder: &Path) -> std::io::Result<ReportPages> {
        let at = std::fs::metadata(folder.join(LIST))?.modified()?;
        let held = Mutex::new((at, read(folder)?));
        Ok(ReportPages { folder: folder.to_owned(), held })
    }

    fn page(&self, name: &str) -> Option<Vec<u8>> {
        let mut held = lock(&self.held);
        let at = std::fs::metadata(self.folder.join(LIST)).and_then(|m| m.modified());
        if let Ok(at) = at
            && at != held.0
            && let Ok(pages) = read(&self.folder)
        {
            *held = (at, pages);
        }
        held.1.get(name).cloned()
    }
}

/// The pages that the list of a report names.
fn read(folder: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let list = std::fs::read_to_string(folder.join(LIST))?;
    let names: BTreeMap<String, String> = serde_json::from_str(&list)?;
    let mut left = MOST;
    let mut pages = BTreeMap::new();
    let folder_of = open(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for name in names.into_keys().filter(|name| is_page(name)) {
        let Some(bytes) = page(&folder_of, &name, left) else { continue };
        left -= bytes.len() as u64;
        pages.insert(name, bytes);
    }
    Ok(pages)
}

/// The bytes of a page of the folder, `most` of them: no link is followed on the way, whatever
/// somebody puts there meanwhile, and nothing is waited for. `None` where it is no plain file.
fn page(folder: &OwnedFd, name: &str, most: u64) -> Option<Vec<u8>> {
    let how = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let (inner, file) = match name.rsplit_once('/') {
        Some((inner, file)) => (Some(inner), file),
        None => (None, name),
    };
    let inner = match inner {
        Some(inner) => Some(open(folder, inner, how | OFlags::DIRECTORY, Mode::empty()).ok()?),
        None => None,
    };
    let file = File::from(open(inner.as_ref().unwrap_or(folder), file, how, Mode::empty()).ok()?);
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() == 0 || about.len() > most {
        return None;
    }
    let mut bytes = Vec::new();
    let read = file.take(about.len()).read_to_end(&mut bytes);
    read.is_ok().then_some(bytes)
}

/// Whether a name of the list is one of a page: below the folder, and of a kind that is served.
fn is_page(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let parts: Vec<&str> = Path::new(name).iter().filter_map(|part| part.to_str()).collect();
    name.chars().all(plain)
        && parts.len() <= 2
        && parts.iter().all(|part| !part.is_empty() && !part.starts_with('.'))
        && kind(name).is_some()
}

fn kind(name: &str) -> Option<&'static str> {
    Some(match Path::new(name).extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "json" => "application/json",
        _ => return None,
    })
}

impl Handler for ReportPages {
    fn answer(&self, request: &Request) -> Response {
        if request.method != Method::Get {
            return Response::wrong_method("GET");
        }
        let name = match request.path.strip_prefix('/').unwrap_or_default() {
            "" => "index.html",
            name => name,
        };
        match (self.page(name), kind(name)) {
            (Some(bytes), Some(kind)) => Response::new(200, kind, bytes),
            (_, _) => Response::not_found(),
        }
    }
}
