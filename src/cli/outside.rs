//! What a run needs beside sources and stores: programs, folders, whoever is told. For `vex
//! doctor`.
//!
//! Sends no mail and calls no webhook: it only knocks.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access, statvfs};

use crate::base::{Finding, SecretRef, Size, Stop};
use crate::catalog::Catalog;
use crate::cli::late;
use crate::job::{CatalogHome, CatalogServer, Exclusive, JobFile, NotifyKind, NotifySpec};
use crate::plan::{Plan, StepKind};
use crate::world::{Child, World, privacy, reveal};

/// Programs that can be asked for their version, and how.
const VERSIONED: [(&str, &str); 7] = [
    ("mydumper", "--version"),
    ("myloader", "--version"),
    ("mysqldump", "--version"),
    ("mariadb-dump", "--version"),
    ("pg_dump", "--version"),
    ("7z", "--help"),
    ("7zz", "--help"),
];

/// How long a host may take to answer, and a program to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hosts whose way is this machine.
const NEAR: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Logs and the catalog need this much at least.
const LITTLE: u64 = 64 << 20;

/// Who asks.
pub struct Outside<'a> {
    /// Its path.
    pub path: &'a str,
    /// The file.
    pub file: &'a JobFile,
    /// The chosen jobs.
    pub plans: &'a [&'a Plan],
    /// The world.
    pub world: &'a World,
    /// When to stop.
    pub stop: &'a Stop,
}

/// Looks at all of it; `told` hears kind, name and finding.
pub fn outside(asked: &Outside, told: &mut dyn FnMut(&str, &str, &Finding)) {
    let mut programs: Vec<&str> = Vec::new();
    for step in asked.plans.iter().flat_map(|p| &p.steps) {
        if let StepKind::Exec(exec) = &step.kind {
            programs.extend(exec.command.first().map(String::as_str));
        }
    }
    programs.sort_unstable();
    programs.dedup();
    for program in programs {
        told("tool", program, &tool(program, asked.stop));
    }
    let state = &asked.world.state;
    told("folder", "state", &folder(state));
    told("folder", "staging", &folder(&asked.world.staging()));
    if let Some(logs) = &asked.world.logs {
        told("folder", "logs", &folder(logs));
    }
    let chosen = |name: &str| asked.plans.iter().any(|p| p.job == name);
    for job in asked.file.jobs.iter().filter(|j| chosen(&j.name.value)) {
        if let Some(logs) = &job.logs.path {
            told("folder", &format!("logs of {}", job.name.value), &folder(logs));
        }
    }
    if let CatalogHome::File(Some(path)) = &asked.file.site.catalog.home {
        told("folder", "catalog", &catalog(path));
    }
    if let CatalogHome::Server(server) = &asked.file.site.catalog.home {
        told("catalog", &server.place(), &shared_catalog(server, asked));
    }
    let own = asked.file.jobs.iter().filter(|j| chosen(&j.name.value)).flat_map(|j| &j.notify);
    let all: Vec<&NotifySpec> = asked.file.notify.iter().chain(own).filter(|n| n.enabled).collect();
    if all.iter().any(|n| matches!(n.kind, NotifyKind::Email { .. }))
        && let Some(mail) = &asked.file.site.mail
    {
        told("mail", &mail.host, &knock(&mail.host, mail.port));
        if let Some(password) = &mail.password {
            told("mail", &mail.host, &password_of_mail(password, asked.stop));
        }
    }
    if let Some(finding) = late::examine(asked.path, &all, asked.world) {
        told("notify", "on=\"late\"", &finding);
    }
    for notify in all {
        match &notify.kind {
            NotifyKind::Email { .. } => {}
            NotifyKind::Webhook { url, .. } => {
                told("webhook", &url.to_string(), &address(url, asked.stop))
            }
            NotifyKind::Ping { url, .. } => {
                told("ping", &url.to_string(), &address(url, asked.stop))
            }
        }
    }
}

fn password_of_mail(password: &SecretRef, stop: &Stop) -> Finding {
    match reveal(password, stop) {
        Ok(_) => Finding::ok("password", format!("{password} gives one")),
        Err(error) => Finding::error(
            "password",
            error.to_string(),
            "Set it where cron or systemd starts vex.",
        ),
    }
}

/// Where a program is, and its version if it is one that tells.
fn tool(program: &str, stop: &Stop) -> Finding {
    let advice = "Install it, or name it with its path.";
    let Some(path) = find(program) else {
        return Finding::error("program", "not in PATH, or not to be run", advice);
    };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((_, question)) = VERSIONED.iter().find(|(known, _)| *known == name) else {
        return Finding::ok("program", path.display().to_string());
    };
    let words = [path.display().to_string(), (*question).to_owned()];
    match Child::new(&words).stall(PATIENCE).output(64 << 10, stop) {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output).into_owned();
            let first = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("no version");
            Finding::ok("program", format!("{}: {first}", path.display()))
        }
        Err(error) => Finding::error("program", error.to_string(), advice),
    }
}

/// A program by its path, or in PATH.
fn find(program: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(runs)
}

/// Whether a folder can be written, or made, and has room.
fn folder(path: &Path) -> Finding {
    let there = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let looked = "writing";
    if !there.is_dir() {
        return Finding::error(
            looked,
            format!("{} is not a folder", there.display()),
            "Name another one.",
        );
    }
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let advice = "Give the user that runs vex the right to write there.";
        return Finding::error(looked, format!("{}: {error}", there.display()), advice);
    }
    match statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let made = if there == path { "" } else { " (made by the first run)" };
            if let Some(open) = (there == path).then(|| privacy(path)).flatten() {
                return open;
            }
            let found = format!("{}{made}, {} free", path.display(), Size(free));
            Finding::judged(free >= LITTLE, looked, found, "Make room: history and logs go there.")
        }
        Err(error) => Finding::alert(
            looked,
            format!("{}: {error}", there.display()),
            "Check the file system.",
        ),
    }
}

/// The catalog's file, or the folder it will be made in.
fn catalog(path: &Path) -> Finding {
    let folder_of = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.exists() && access(path, Access::READ_OK | Access::WRITE_OK).is_err() {
        true => Finding::alert(
            "writing",
            format!("{} can't be written", path.display()),
            "History would be kept beside it.",
        ),
        false => folder(folder_of),
    }
}

/// Whether the catalog of many hosts can be used. Nothing is made there.
fn shared_catalog(server: &CatalogServer, asked: &Outside) -> Finding {
    let required = asked.file.site.catalog.exclusive == Exclusive::Required;
    let advice = match required {
        true => "Nothing runs without it: the site says exclusive=\"required\".",
        false => "Runs go on without it, keep their history beside it, and keep no other host out.",
    };
    match Catalog::examine(server, asked.stop) {
        Ok(0) => Finding::ok("usable", "empty; the first run makes its tables".to_owned()),
        Ok(version) => Finding::ok("usable", format!("its tables have version {version}")),
        Err(error) if required => Finding::error("usable", error.to_string(), advice),
        Err(error) => Finding::alert("usable", error.to_string(), advice),
    }
}

/// Whether somebody listens there.
fn knock(host: &str, port: u16) -> Finding {
    let looked = "reachable";
    let advice = "Check host and port; a mail or call that can't be sent makes a run Alerta.";
    let addresses = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Finding::alert(looked, error.to_string(), advice),
    };
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Finding::ok(looked, format!("port {port} answers; nothing was sent")),
            Err(error) => last = error.to_string(),
        }
    }
    Finding::alert(looked, format!("port {port}: {last}"), advice)
}

/// The same for an address that is a secret: it is not repeated.
fn address(url: &SecretRef, stop: &Stop) -> Finding {
    let parsed = match reveal(url, stop) {
        Ok(text) => url::Url::parse(text.reveal()),
        Err(error) => {
            return Finding::error(
                "address",
                error.to_string(),
                "Set it where cron or systemd starts vex.",
            );
        }
    };
    let clear = parsed.as_ref().is_ok_and(|url| url.scheme() == "http");
    let place =
        parsed.ok().and_then(|u| Some((u.host_str()?.to_owned(), u.port_or_known_default()?)));
    match place {
        Some((host, _)) if clear && !NEAR.contains(&host.as_str()) => Finding::alert(
            "address",
            "it begins with http://, so whoever is on the way reads and changes what is told"
                .to_owned(),
            "Name the address with https://.",
        ),
        Some((host, port)) => {
            let found = knock(host.trim_matches(['[', ']']), port);
            // An error of the resolver may name the host.
            match found.grade {
                crate::base::Grade::Ok => found,
                _ => Finding { found: "nobody answers there".into(), ..found },
            }
        }
        None => Finding::error(
            "address",
            "it is no address",
            "It begins with https:// and names a host.",
        ),
    }
}
