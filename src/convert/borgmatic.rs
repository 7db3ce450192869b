//! borgmatic's `config.yaml`, flat as since 1.8 or in the sections of before.
//!
//! Its databases and retention become vex's; its repositories become folders beside them, for vex
//! writes no borg repositories; files that are no databases stay borg's.

use crate::convert::common::{Words, exact, is_yes, keep, plain, server, sqlite};
use crate::convert::draft::{Block, Draft, Job, Source, quoted, slug};
use crate::convert::secret::{secret, upper};
use crate::convert::tree::{Node, Tree};

const SECTIONS: [&str; 6] = ["location", "storage", "retention", "consistency", "output", "hooks"];

const SERVERS: [(&str, &str); 3] = [
    ("mysql_databases", "mysql"),
    ("mariadb_databases", "mysql"),
    ("postgresql_databases", "postgres"),
];

const WORDS: Words = Words { host: "hostname", user: "username" };

/// Converts the whole.
pub fn convert(tree: &Tree, draft: &mut Draft) {
    let root = tree.root();
    let mut tops = vec![root.clone()];
    tops.extend(SECTIONS.iter().filter_map(|name| root.get(name)).filter(Node::is_block));
    let mut sources = Vec::new();
    for top in &tops {
        for (list, kind) in SERVERS {
            let entries = top.get(list).map(|node| node.entries()).unwrap_or_default();
            sources.extend(entries.iter().filter_map(|at| database(at, kind, draft)));
        }
        for at in top.get("sqlite_databases").map(|node| node.entries()).unwrap_or_default() {
            if let Some(path) = plain(&at, "path", draft) {
                sources.push(draft.source(sqlite(at.text("name").unwrap_or("sqlite"), &path)));
            }
        }
    }
    sources.dedup();
    let rules: Vec<String> = tops.iter().flat_map(|top| rules(top, draft)).collect();
    let mut stores = Vec::new();
    for top in &tops {
        for at in top.get("repositories").map(|node| node.entries()).unwrap_or_default() {
            stores.extend(repository(&at, &rules, draft));
        }
        healthchecks(top, draft);
        if let Some(folders) = top.get("source_directories") {
            folders.settle();
            draft.note(
                "`source_directories`: vex backs up databases; leave these files to borgmatic",
            );
        }
    }
    let archive = tops.iter().find_map(|top| seal(top, draft));
    draft.note(
        "borgmatic has no schedule of its own: give the job one, such as schedule=\"0 3 * * *\"",
    );
    if stores.is_empty() {
        draft.note(
            "no repository is a folder or a host with SSH: the store is a folder to be named",
        );
        let path = format!("path={}", quoted("/var/backups/vex"));
        stores.push(draft.store("local", "dir", &path, keep(&rules)));
    }
    draft.jobs.push(Job {
        name: "borgmatic".to_owned(),
        fields: String::new(),
        archive,
        dump: String::new(),
        sources,
        stores,
    });
}

fn database(at: &Node, kind: &'static str, draft: &mut Draft) -> Option<String> {
    let name = plain(at, "name", draft)?;
    let all = name == "all";
    let label = at.text("label").or(at.text("hostname")).unwrap_or(kind);
    let label = if label.starts_with('/') { kind } else { label };
    let fields = server(at, &WORDS, &upper(&slug(label, kind)), draft);
    if let Some(format) = at.text("format").filter(|format| *format != "sql") {
        draft.note(format!(
            "`{}`: format={format} is pg_dump's; vex reads rows itself, and engine=\"pg_dump\" of a dump calls pg_dump",
            at.path()
        ));
    }
    if is_yes(at.text("tls")) {
        draft.note(format!(
            "`{}.tls`: vex checks the certificate in full; write `ca` where it is a private one",
            at.path()
        ));
    }
    let databases = if all { Vec::new() } else { vec![exact(&name)] };
    let mut lists = vec![("databases", databases)];
    let skipped: Vec<String> = at.texts("skip_names").into_iter().map(exact).collect();
    if !skipped.is_empty() {
        lists.push(("exclude", skipped));
    }
    Some(draft.source(Source {
        of: String::new(),
        kind,
        name: label.to_owned(),
        fields,
        all,
        lists,
    }))
}

/// The rules of retention.
fn rules(top: &Node, draft: &mut Draft) -> Vec<String> {
    let mut rules = Vec::new();
    if let Some(within) = top.text("keep_within") {
        match span(within) {
            Some(within) => rules.push(format!("within=\"{within}\"")),
            None => draft.note("`keep_within` is no number with H, d, w, m or y"),
        }
    }
    for period in ["hourly", "daily", "weekly", "monthly", "yearly"] {
        let name = format!("keep_{period}");
        match top.text(&name).map(str::parse::<i64>) {
            Some(Ok(count @ 1..=100_000)) => rules.push(format!("{period}={count}")),
            // Borg's word for all of them.
            Some(Ok(..0)) => rules.push(format!("{period}=100000")),
            Some(Ok(0)) | None => {}
            Some(_) => draft.note(format!("`{name}` is no number")),
        }
    }
    rules
}

/// A duration of borg: hours, days, weeks, months of 31 days, years of 366.
fn span(text: &str) -> Option<String> {
    let unit = text.chars().last()?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count > 0)?;
    Some(match unit {
        'S' => format!("{count}s"),
        'M' => format!("{count}m"),
        'H' => format!("{count}h"),
        'd' => format!("{count}d"),
        'w' => format!("{}d", count.checked_mul(7)?),
        'm' => format!("{}d", count.checked_mul(31)?),
        'y' => format!("{}d", count.checked_mul(366)?),
        _ => return None,
    })
}

fn repository(at: &Node, rules: &[String], draft: &mut Draft) -> Option<String> {
    let path = at.word().or_else(|| at.text("path"))?;
    let label = at.text("label").unwrap_or("");
    if let Some(rest) = path.strip_prefix("ssh://") {
        let (host, folder) = rest.split_once('/')?;
        let folder = folder.strip_prefix("./").map_or(format!("/{folder}"), str::to_owned);
        let folder = folder.trim_start_matches("/~/").to_owned();
        return Some(over_ssh(host, &folder, label, rules, draft));
    }
    if path.starts_with('/') || path.starts_with("file://") || path.starts_with('~') {
        let path = path.trim_start_matches("file://");
        let fields = format!("path={}", quoted(&beside(path)));
        draft.note(format!(
            "`{}`: vex keeps its archives in a folder beside the borg repository",
            at.path()
        ));
        return Some(draft.store(
            if label.is_empty() { "local" } else { label },
            "dir",
            &fields,
            keep(rules),
        ));
    }
    // `user@host:path`, as scp has it.
    if let Some((host, folder)) = path.split_once(':').filter(|(_, rest)| !rest.starts_with("//"))
        && host.contains('@')
    {
        return Some(over_ssh(host, folder, label, rules, draft));
    }
    draft.note(format!("`{}`: vex can't keep archives there; name a store of its own", at.path()));
    None
}

fn over_ssh(
    address: &str,
    folder: &str,
    label: &str,
    rules: &[String],
    draft: &mut Draft,
) -> String {
    let (user, host) = address.rsplit_once('@').map_or((None, address), |(u, h)| (Some(u), h));
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, Some(port)),
        _ => (host, None),
    };
    let mut fields = format!("host={}", quoted(host));
    if let Some(port) = port {
        fields += &format!(" port={port}");
    }
    if let Some(user) = user {
        // What may follow a colon is a password.
        fields += &format!(" user={}", quoted(user.split(':').next().unwrap_or(user)));
    }
    fields += &format!(" path={}", quoted(&beside(folder)));
    draft.note(format!(
        "the store on {host} wants SFTP there; an account that may run only `borg serve` has none"
    ));
    draft.store(if label.is_empty() { host } else { label }, "sftp", &fields, keep(rules))
}

/// A folder beside a repository.
fn beside(repository: &str) -> String {
    let path = repository.trim_end_matches('/');
    format!("{}-vex", path.strip_suffix(".borg").or(path.strip_suffix(".repo")).unwrap_or(path))
}

/// What seals the archives: borg's passphrase, or the command that tells it.
fn seal(top: &Node, draft: &mut Draft) -> Option<Block> {
    let place = match (top.get("encryption_passphrase"), top.text("encryption_passcommand")) {
        (Some(node), _) => secret(&node, "BORG_PASSPHRASE", draft)?.0,
        (None, Some(command)) if command.contains(['\'', '"', '$', '|', '`', '\\', '{']) => {
            draft.note("`encryption_passcommand` needs a shell: write it as words, (command)\"pass\" \"show\" \"borg\"");
            return None;
        }
        (None, Some(command)) if command.trim_start().starts_with("echo ") => {
            draft.note("`encryption_passcommand` says the password in clear and is not copied: write (command)\"PROGRAM\" or (file)\"PATH\"");
            return None;
        }
        (None, Some(command)) => {
            let words: Vec<String> = command.split_whitespace().map(quoted).collect();
            format!("(command){}", words.join(" "))
        }
        (None, None) => return None,
    };
    let password = Block::line(format!("password {place}"));
    Some(Block { head: "archive".to_owned(), inner: vec![password] })
}

fn healthchecks(top: &Node, draft: &mut Draft) {
    for (service, field) in
        [("healthchecks", "ping_url"), ("cronitor", "ping_url"), ("uptime_kuma", "push_url")]
    {
        let Some(at) = top.get(service) else { continue };
        let Some(url) = (if at.is_block() { at.get(field) } else { Some(at) }) else { continue };
        if let Some(place) = secret(&url, &format!("{service}_URL"), draft) {
            draft.notify.push(Block::line(format!("ping {}", place.0)));
        }
    }
}
