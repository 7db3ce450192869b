//! pg_back's `pg_back.conf` of 2.0 and later; the shell variables of 1.x are refused by name.

use crate::convert::common::{exact, is_yes, keep, number, plain};
use crate::convert::draft::{Block, Draft, Job, Source, quoted};
use crate::convert::secret::secret;
use crate::convert::tree::{Node, Tree};

/// Converts the whole; the `Err` is why it is none.
pub fn convert(tree: &Tree, draft: &mut Draft) -> Result<(), String> {
    let root = tree.root();
    if root.names().iter().any(|name| name.starts_with("PGBK_")) {
        return Err("it is one of pg_back 1.x: let pg_back 2 convert it first (`pg_back --convert-legacy-config FILE`)".to_owned());
    }
    let source = source(&root, &tree.sections(), draft);
    let rules = rules(&root, draft);
    let mut stores = vec![folder(&root, &rules, draft)];
    stores.extend(upload(&root, draft));
    let archive = seal(&root, draft);
    let dump = match root.text("format") {
        None | Some("custom") => "",
        Some("plain" | "sql") => " engine=\"pg_dump\" format=\"plain\"",
        Some("directory") => " engine=\"pg_dump\" format=\"directory\"",
        Some(other) => {
            draft.note(format!("`format` = {other}: vex reads rows itself"));
            ""
        }
    };
    let jobs = number(&root, "jobs", draft).filter(|jobs| (2..=64).contains(jobs));
    let threads = jobs.map(|jobs| format!(" threads={jobs}")).unwrap_or_default();
    for name in ["pre_backup_hook", "post_backup_hook"] {
        if root.text(name).is_some_and(|hook| !hook.is_empty()) {
            draft.note(format!("`{name}`: write it as words of an `exec`, without a shell"));
        }
    }
    draft.note(
        "pg_back has no schedule of its own: give the job one, such as schedule=\"0 3 * * *\"",
    );
    draft.jobs.push(Job {
        name: "pg_back".to_owned(),
        fields: String::new(),
        archive,
        dump: format!("{dump}{threads}"),
        sources: vec![source],
        stores,
    });
    Ok(())
}

fn source(root: &Node, sections: &[&str], draft: &mut Draft) -> String {
    let mut fields = Vec::new();
    if let Some(host) = plain(root, "host", draft) {
        let field = if host.starts_with('/') { "socket" } else { "host" };
        fields.push(Block::line(format!("{field} {}", quoted(&host))));
    }
    fields.extend(number(root, "port", draft).map(|port| Block::line(format!("port {port}"))));
    if let Some(user) = plain(root, "user", draft) {
        fields.push(Block::line(format!("user {}", quoted(&user))));
    }
    if !matches!(root.text("with_role_passwords"), Some("false" | "no" | "off" | "0")) {
        draft.note("roles: pg_back dumps them with their passwords; `globals` does it here, and wants a sealed archive");
        fields.push(Block::line("globals #true"));
    }
    let databases = names(root, "include_dbs");
    let mut exclude = names(root, "exclude_dbs");
    let mut tables = Vec::new();
    let mut schemas = Vec::new();
    for at in sections.iter().filter_map(|name| root.get(name)) {
        let database = exact(at.name());
        let within = |field: &str, out: &mut Vec<String>| {
            for name in at.text(field).unwrap_or_default().split_whitespace() {
                let parts =
                    if name.contains('.') || !field.ends_with("tables") { "" } else { "*." };
                out.push(format!("{database}.{parts}{name}"));
            }
        };
        within("schemas", &mut schemas);
        within("tables", &mut tables);
        within("exclude_schemas", &mut exclude);
        within("exclude_tables", &mut exclude);
    }
    for (field, list) in [("tables", &tables), ("schemas", &schemas)] {
        if !list.is_empty() {
            draft.note(format!("`{field}` of a section: here the list is of all databases, so others lose theirs unless `DB.*` is added"));
        }
    }
    let all = databases.is_empty();
    let lists = vec![
        ("databases", databases),
        ("schemas", schemas),
        ("tables", tables),
        ("exclude", exclude),
    ];
    draft.source(Source {
        of: String::new(),
        kind: "postgres",
        name: "postgres".to_owned(),
        fields,
        all,
        lists,
    })
}

/// Names after one another, with commas between.
fn names(root: &Node, field: &str) -> Vec<String> {
    let words = root.text(field).unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(exact).collect()
}

fn rules(root: &Node, draft: &mut Draft) -> Vec<String> {
    let mut rules = Vec::new();
    match root.text("purge_older_than").map(|age| (age, age.trim().parse::<u64>())) {
        Some((_, Ok(days @ 1..))) => rules.push(format!("within=\"{days}d\"")),
        Some((_, Ok(0))) => draft.note("`purge_older_than` = 0 keeps nothing by age"),
        Some((age, Err(_))) if is_duration(age) => rules.push(format!("within=\"{age}\"")),
        Some(_) => draft.note("`purge_older_than`: write it as days, within=\"30d\""),
        None => rules.push("within=\"30d\"".to_owned()),
    }
    match root.text("purge_min_keep").map(str::parse::<u64>) {
        Some(Ok(count @ 1..=100_000)) => rules.push(format!("last={count}")),
        Some(Err(_)) => {
            rules.clear();
            draft.note("`purge_min_keep` = all: there is no `keep`, so that nothing is removed");
        }
        _ => {}
    }
    rules
}

/// One number and one unit that both programs have.
fn is_duration(text: &str) -> bool {
    text.strip_suffix(['h', 'm', 's']).is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n > 0))
}

fn folder(root: &Node, rules: &[String], draft: &mut Draft) -> String {
    let path = plain(root, "backup_directory", draft);
    let path = path.unwrap_or_else(|| "/var/backups/postgresql".to_owned());
    if path.contains("{dbname}") {
        draft.note("`backup_directory`: `{dbname}` means nothing here; each backup holds its databases as folders");
    }
    let path = path.replace("{dbname}", "").replace("//", "/");
    let path = format!("path={}", quoted(&format!("{}/vex", path.trim_end_matches('/'))));
    draft.store("local", "dir", &path, keep(rules))
}

fn upload(root: &Node, draft: &mut Draft) -> Option<String> {
    let prefix = root.text("upload_prefix").filter(|p| !p.is_empty());
    match root.text("upload")? {
        "none" | "" => None,
        "s3" => {
            let mut fields = format!("bucket={}", quoted(&plain(root, "s3_bucket", draft)?));
            for (field, word) in
                [("region", "s3_region"), ("endpoint", "s3_endpoint"), ("profile", "s3_profile")]
            {
                if let Some(word) = plain(root, word, draft).filter(|word| !word.is_empty()) {
                    let scheme =
                        if field == "endpoint" && !word.contains("://") { "https://" } else { "" };
                    fields += &format!(" {field}={}", quoted(&format!("{scheme}{word}")));
                }
            }
            if is_yes(root.text("s3_force_path")) {
                fields += " path-style=#true";
            }
            fields += &prefix
                .map(|p| format!(" prefix={}", quoted(p.trim_matches('/'))))
                .unwrap_or_default();
            let mut inner = Vec::new();
            for (field, word) in [("access-key", "s3_key_id"), ("secret-key", "s3_secret")] {
                let node = root.get(word).filter(|node| node.word() != Some(""));
                let place = node.and_then(|at| secret(&at, word, draft));
                inner.extend(place.map(|place| Block::line(format!("{field} {}", place.0))));
            }
            Some(draft.store("s3", "s3", &fields, inner))
        }
        "sftp" => {
            let mut fields = format!("host={}", quoted(&plain(root, "sftp_host", draft)?));
            if let Some(port) = number(root, "sftp_port", draft) {
                fields += &format!(" port={port}");
            }
            for (field, word) in [("user", "sftp_user"), ("identity", "sftp_identity")] {
                if let Some(word) = plain(root, word, draft).filter(|word| !word.is_empty()) {
                    fields += &format!(" {field}={}", quoted(&word));
                }
            }
            if root.get("sftp_password").is_some() {
                draft.note("`sftp_password`: vex logs in with keys of ssh, never with a password");
            }
            let path = plain(root, "sftp_directory", draft).unwrap_or_else(|| ".".to_owned());
            fields += &format!(" path={}", quoted(&path));
            fields += &prefix
                .map(|p| format!(" prefix={}", quoted(p.trim_matches('/'))))
                .unwrap_or_default();
            Some(draft.store("sftp", "sftp", &fields, Vec::new()))
        }
        other => {
            draft.note(format!("`upload` = {other}: vex has no such store yet"));
            None
        }
    }
}

fn seal(root: &Node, draft: &mut Draft) -> Option<Block> {
    if !is_yes(root.text("encrypt")) {
        return None;
    }
    let key = root.text("cipher_public_key").filter(|key| key.starts_with("age1"));
    let inner = match key {
        Some(key) => Block {
            head: "age".to_owned(),
            inner: vec![Block::line(format!("recipient {}", quoted(key)))],
        },
        None => {
            let place = match root.get("cipher_pass") {
                Some(node) => secret(&node, "PGBK_CIPHER_PASS", draft)?.0,
                None => {
                    draft.note("`encrypt`: set the variable PGBK_CIPHER_PASS");
                    "(env)\"PGBK_CIPHER_PASS\"".to_owned()
                }
            };
            Block::line(format!("password {place}"))
        }
    };
    Some(Block { head: "archive".to_owned(), inner: vec![inner] })
}
