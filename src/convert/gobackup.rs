//! gobackup's `gobackup.yml`: every model becomes a job, its databases sources, its storages stores.

use crate::convert::common::{Words, exact, is_yes, keep, number, plain, server, sqlite};
use crate::convert::draft::{Block, Draft, Job, Source, quoted, slug};
use crate::convert::secret::{secret, upper};
use crate::convert::tree::{Node, Tree};

const WORDS: Words = Words { host: "host", user: "username" };

/// Converts the whole.
pub fn convert(tree: &Tree, draft: &mut Draft) {
    let models = tree.root().get("models").map(|node| node.entries()).unwrap_or_default();
    models.iter().for_each(|at| model(at, draft));
}

fn model(at: &Node, draft: &mut Draft) {
    let name = slug(at.name(), "job");
    let databases = at.get("databases").map(|node| node.entries()).unwrap_or_default();
    let sources: Vec<String> = databases.iter().filter_map(|at| database(at, draft)).collect();
    if sources.is_empty() {
        draft
            .note(format!("`{}` has no database that vex reads: no job was made of it", at.path()));
        return;
    }
    let storages = at.get("storages").map(|node| node.entries()).unwrap_or_default();
    let mut stores: Vec<String> =
        storages.iter().filter_map(|at| storage(at, at.name(), draft)).collect();
    // The form of before 2.0.
    let older = at.get("store_with");
    stores.extend(older.and_then(|at| storage(&at, at.text("type").unwrap_or("store"), draft)));
    if stores.is_empty() {
        draft.note(format!(
            "`{}` names no store that vex knows: a folder to be named stands there",
            at.path()
        ));
        stores.push(draft.store("local", "dir", "path=\"/var/backups/vex\"", Vec::new()));
    }
    // Which of them is the first matters to gobackup alone.
    at.text("default_storage");
    if let Some(archive) = at.get("archive") {
        archive.settle();
        draft.note(format!("`{}.archive`: vex backs up databases, not files", at.path()));
    }
    if let Some(compress) = at.get("compress_with") {
        compress.settle();
        draft.note("`compress_with`: archives of vex are .zip, compressed with zstd; `archive compression=` says otherwise");
    }
    let notifiers = at.get("notifiers").map(|node| node.entries()).unwrap_or_default();
    notifiers.iter().for_each(|at| notifier(at, draft));
    let archive = at.get("encrypt_with").and_then(|at| seal(&at, &name, draft));
    let fields = schedule(at, draft);
    at.text("description");
    draft.jobs.push(Job { name, fields, archive, dump: String::new(), sources, stores });
}

fn schedule(at: &Node, draft: &mut Draft) -> String {
    let Some(at) = at.get("schedule") else { return String::new() };
    if let Some(cron) = at.text("cron") {
        return format!(" schedule={}", quoted(cron));
    }
    let moment = at.text("at").and_then(|text| text.split_once(':'));
    let moment = moment.and_then(|(h, m)| Some((h.parse::<u8>().ok()?, m.parse::<u8>().ok()?)));
    match (at.text("every"), moment) {
        (Some("1day" | "day" | "1d" | "24h"), Some((hour, minute))) => {
            format!(" schedule=\"{minute} {hour} * * *\"")
        }
        (Some("1h" | "1hour" | "hour"), None) => " schedule=\"0 * * * *\"".to_owned(),
        _ => {
            draft.note(format!(
                "`{}`: write it as fields of cron, schedule=\"0 3 * * *\"",
                at.path()
            ));
            String::new()
        }
    }
}

fn database(at: &Node, draft: &mut Draft) -> Option<String> {
    let name = at.name().to_owned();
    let kind = match at.text("type")? {
        "mysql" | "mariadb" => "mysql",
        "postgresql" => "postgres",
        "sqlite" => {
            let path = plain(at, "path", draft)?;
            return Some(draft.source(sqlite(&name, &path)));
        }
        other => {
            at.settle();
            draft.note(format!("`{}`: vex does not read databases of type {other}", at.path()));
            return None;
        }
    };
    let fields = server(at, &WORDS, &upper(&name), draft);
    let database = plain(at, "database", draft);
    let all = is_yes(at.text("all_databases")) || database.is_none();
    let mut lists = vec![("databases", database.iter().map(|name| exact(name)).collect())];
    for (field, word) in [("tables", "tables"), ("exclude", "exclude_tables")] {
        let tables = at.texts(word);
        let database = database.as_deref().unwrap_or("*");
        let full = |table: &&str| full_name(kind, database, table);
        let tables: Vec<String> = tables.iter().map(full).collect();
        if !tables.is_empty() {
            lists.push((field, tables));
        }
    }
    let of = at.path().rsplit_once(".databases").map_or_else(String::new, |(of, _)| of.to_owned());
    Some(draft.source(Source { of, kind, name, fields, all, lists }))
}

/// The name of a table as vex writes it.
fn full_name(kind: &str, database: &str, table: &str) -> String {
    let database = if database == "*" { database.to_owned() } else { exact(database) };
    match kind {
        "postgres" if !table.contains('.') => format!("{database}.*.{table}"),
        "mysql" if table.contains('.') => table.to_owned(),
        _ => format!("{database}.{table}"),
    }
}

fn storage(at: &Node, name: &str, draft: &mut Draft) -> Option<String> {
    let rules = match number(at, "keep", draft) {
        Some(count @ 1..=100_000) => vec![format!("last={count}")],
        _ => Vec::new(),
    };
    let path = plain(at, "path", draft);
    match at.text("type")? {
        "local" => {
            let fields = format!("path={}", quoted(path.as_deref().unwrap_or("/var/backups/vex")));
            Some(draft.store(name, "dir", &fields, keep(&rules)))
        }
        kind @ ("s3" | "minio" | "r2" | "b2" | "spaces" | "oss" | "cos" | "us3" | "obs"
        | "kodo" | "tos") => bucket(at, (name, kind), path, &rules, draft),
        "scp" | "sftp" => {
            let mut fields = format!("host={}", quoted(&plain(at, "host", draft)?));
            if let Some(port) = number(at, "port", draft) {
                fields += &format!(" port={port}");
            }
            for (field, word) in [("user", "username"), ("identity", "private_key")] {
                if let Some(word) = plain(at, word, draft) {
                    fields += &format!(" {field}={}", quoted(&word));
                }
            }
            if at.get("password").is_some() || at.get("passphrase").is_some() {
                draft.note(format!(
                    "`{}`: vex logs in with keys of ssh, never with a password",
                    at.path()
                ));
            }
            fields += &format!(" path={}", quoted(path.as_deref().unwrap_or("backups")));
            Some(draft.store(name, "sftp", &fields, keep(&rules)))
        }
        other => {
            at.settle();
            draft.note(format!("`{}`: vex has no store of type {other}", at.path()));
            None
        }
    }
}

fn bucket(
    at: &Node,
    (name, kind): (&str, &str),
    path: Option<String>,
    rules: &[String],
    draft: &mut Draft,
) -> Option<String> {
    let mut fields = format!("bucket={}", quoted(&plain(at, "bucket", draft)?));
    for (field, word) in [("region", "region"), ("endpoint", "endpoint")] {
        if let Some(word) = plain(at, word, draft) {
            let scheme = if field == "endpoint" && !word.contains("://") { "https://" } else { "" };
            fields += &format!(" {field}={}", quoted(&format!("{scheme}{word}")));
        }
    }
    if kind != "s3" && at.get("endpoint").is_none() {
        draft.note(format!("`{}`: write the `endpoint` of {kind}, https://HOST", at.path()));
    }
    if let Some(prefix) = path.as_deref().map(|p| p.trim_matches('/')).filter(|p| !p.is_empty()) {
        fields += &format!(" prefix={}", quoted(prefix));
    }
    if let Some(class) = at.text("storage_class") {
        fields += &format!(" storage-class={}", quoted(class));
    }
    let mut inner = Vec::new();
    for (field, word) in [("access-key", "access_key_id"), ("secret-key", "secret_access_key")] {
        let place =
            at.get(word).and_then(|at| secret(&at, &upper(&format!("{name}_{word}")), draft));
        inner.extend(place.map(|place| Block::line(format!("{field} {}", place.0))));
    }
    inner.extend(keep(rules));
    Some(draft.store(name, "s3", &fields, inner))
}

fn seal(at: &Node, job: &str, draft: &mut Draft) -> Option<Block> {
    if let Some(recipient) = at.text("recipient").filter(|key| key.starts_with("age1")) {
        let age = Block {
            head: "age".to_owned(),
            inner: vec![Block::line(format!("recipient {}", quoted(recipient)))],
        };
        return Some(Block { head: "archive".to_owned(), inner: vec![age] });
    }
    at.text("type");
    let Some(node) = at.get("password").or_else(|| at.get("passphrase")) else {
        draft.note(format!(
            "`{}` was not taken over: the archives of this job are NOT sealed",
            at.path()
        ));
        return None;
    };
    let place = secret(&node, &upper(&format!("{job}_ARCHIVE_PASSWORD")), draft)?;
    draft.note(format!("`{}`: archives of vex are sealed with WinZip AES-256", at.path()));
    let password = Block::line(format!("password {}", place.0));
    Some(Block { head: "archive".to_owned(), inner: vec![password] })
}

fn notifier(at: &Node, draft: &mut Draft) {
    let kind = at.text("type").unwrap_or_default();
    let on = match (at.text("on_success"), at.text("on_failure")) {
        (Some("false"), _) => " on=\"error\"",
        _ => "",
    };
    match kind {
        "mail" => mail(at, on, draft),
        "webhook" | "slack" | "discord" => {
            let shape =
                if kind == "webhook" { String::new() } else { format!(" shape=\"{kind}\"") };
            let name = format!("{}_URL", at.name());
            if let Some(place) = at.get("url").and_then(|url| secret(&url, &name, draft)) {
                draft.notify.push(Block::line(format!("webhook {}{shape}{on}", place.0)));
            }
        }
        other => {
            at.settle();
            draft.note(format!(
                "`{}`: vex tells nobody by {other} in that form; see README, Who is told",
                at.path()
            ));
        }
    }
}

fn mail(at: &Node, on: &str, draft: &mut Draft) {
    let to: Vec<String> =
        at.text("to").unwrap_or_default().split(',').map(|to| quoted(to.trim())).collect();
    let (Some(host), Some(from)) = (plain(at, "host", draft), plain(at, "from", draft)) else {
        draft.note(format!("`{}` names no host or no `from`: no mail is sent", at.path()));
        return;
    };
    let mut inner = vec![
        Block::line(format!("host {}", quoted(&host))),
        Block::line(format!("from {}", quoted(&from))),
    ];
    inner.extend(number(at, "port", draft).map(|port| Block::line(format!("port {port}"))));
    if let Some(user) = plain(at, "username", draft) {
        inner.push(Block::line(format!("user {}", quoted(&user))));
    }
    if let Some(place) = at.get("password").and_then(|at| secret(&at, "MAIL_PASSWORD", draft)) {
        inner.push(Block::line(format!("password {}", place.0)));
    }
    draft.mail.get_or_insert(Block { head: "mail".to_owned(), inner });
    let to = Block::line(format!("to {}", to.join(" ")));
    draft.notify.push(Block { head: format!("email{on}"), inner: vec![to] });
}
