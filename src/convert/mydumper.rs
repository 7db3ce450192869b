//! `mydumper.cnf`: one server, its databases, and a job that has mydumper read them.

use crate::convert::common::{exact, number, plain};
use crate::convert::draft::{Block, Draft, Job, Source, quoted};
use crate::convert::secret::secret;
use crate::convert::tree::{Node, Tree};

/// Sections of the client and of mydumper; what the later one says wins.
const SECTIONS: [&str; 3] = ["client", "mysql", "mydumper"];

/// Converts the whole; the `Err` is why it is none.
pub fn convert(tree: &Tree, draft: &mut Draft) -> Result<(), String> {
    let root = tree.root();
    let sections: Vec<Node> = SECTIONS.iter().rev().filter_map(|name| root.get(name)).collect();
    if sections.is_empty() {
        return Err("it has none of the sections [mydumper], [client] and [mysql]".to_owned());
    }
    let found = |name: &str| sections.iter().find(|at| at.get(name).is_some());
    let text = |name: &str, draft: &mut Draft| plain(found(name)?, name, draft);
    let mut fields = Vec::new();
    match (text("socket", draft), text("host", draft)) {
        (Some(socket), _) => fields.push(Block::line(format!("socket {}", quoted(&socket)))),
        (None, Some(host)) => fields.push(Block::line(format!("host {}", quoted(&host)))),
        (None, None) => {}
    }
    let port = found("port").and_then(|at| number(at, "port", draft));
    fields.extend(port.map(|port| Block::line(format!("port {port}"))));
    for name in ["user", "ca", "cert", "key"] {
        if let Some(word) = text(name, draft) {
            fields.push(Block::line(format!("{name} {}", quoted(&word))));
        }
    }
    let password = found("password").and_then(|at| at.get("password"));
    if let Some(place) = password.and_then(|at| secret(&at, "MYSQL_PASSWORD", draft)) {
        fields.push(Block::line(format!("password {}", place.0)));
    }
    let listed = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(exact).collect()
    };
    let databases = listed(text("database", draft));
    let tables = listed(text("tables-list", draft));
    let threads = found("threads").and_then(|at| number(at, "threads", draft));
    let threads = threads.filter(|t| (1..=64).contains(t)).map(|t| format!(" threads={t}"));
    if found("regex").is_some() {
        draft.note(
            "`regex`: name what is meant by `databases`, `tables` and `exclude`, which are globs",
        );
    }
    let all = databases.is_empty();
    let lists = vec![("databases", databases), ("tables", tables)];
    let name = "mysql".to_owned();
    let source =
        draft.source(Source { of: String::new(), kind: "mysql", name, fields, all, lists });
    let path = text("outputdir", draft).unwrap_or_else(|| "/var/backups/vex".to_owned());
    let store = draft.store("local", "dir", &format!("path={}", quoted(&path)), Vec::new());
    draft.note("mydumper keeps no history: give the store a rule, such as keep daily=7 weekly=4");
    draft.note(
        "leave engine=\"mydumper\" out, and vex reads the server itself, without a staged copy",
    );
    draft.jobs.push(Job {
        name: "mydumper".to_owned(),
        fields: String::new(),
        archive: None,
        dump: format!(" engine=\"mydumper\"{}", threads.unwrap_or_default()),
        sources: vec![source],
        stores: vec![store],
    });
    Ok(())
}
