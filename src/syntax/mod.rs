//! From text to a [`JobFile`], or every complaint about its form.
//!
//! Does not know what a plan is: names stay words. Reads files (the job file, its includes, its site file) and asks
//! nobody else.

mod kdl;
mod kinds;
mod node;
mod policy;
mod problem;
mod reference;
mod site;
mod source;
mod step;
mod store;
mod table;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::kdl::KdlNode;

use crate::base::{Complaint, Spanned, Text};
use crate::job::JobFile;
use crate::syntax::node::{Node, name_span};

pub use node::is_name;
pub use reference::reference;
pub use value::parse_duration;

/// A job file as read: what it declares and what is wrong with its form.
#[derive(Debug, Default)]
pub struct Reading {
    /// What it declares; incomplete where there are errors.
    pub file: JobFile,
    /// What is wrong.
    pub complaints: Vec<Complaint>,
    /// Names of sources and stores that are declared but can't be used, so that nobody calls them unknown.
    pub unusable: Vec<String>,
    /// Whether any text did not parse: then what is missing may stand there.
    pub broken: bool,
}

/// Reads a job file with its site file: `site`, else `vex.kdl` beside it, else `/etc/vex/vex.kdl`.
pub fn read(path: &Path, site: Option<&Path>) -> std::io::Result<Reading> {
    let contents = read_text(path)?;
    let mut reader = Reader::default();
    let beside = path.parent().unwrap_or(Path::new("")).join("vex.kdl");
    let found = match site {
        Some(site) => Some(site.to_path_buf()),
        None => [beside, PathBuf::from("/etc/vex/vex.kdl")].into_iter().find(|p| p.is_file()),
    };
    if let Some(site) = found.filter(|s| !same_file(s, path)) {
        let contents = read_text(&site)?;
        reader.file(&Text::new(site, contents));
    }
    reader.file(&Text::new(path, contents));
    Ok(reader.finish())
}

/// Reads one text as a job file without a site; includes are read from disk.
pub fn read_one(text: &Arc<Text>) -> Reading {
    let mut reader = Reader::default();
    reader.file(text);
    reader.finish()
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let fail = |e: std::io::Error| std::io::Error::new(e.kind(), format!("unable to read {}: {e}", path.display()));
    std::fs::read_to_string(path).map_err(fail)
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[derive(Default)]
struct Reader {
    reading: Reading,
    /// Defaults by kind, of `sources` and of `stores`.
    defaults: BTreeMap<&'static str, Node>,
    /// Named nodes, kept until all defaults are known.
    named: Vec<(Arc<Text>, Node)>,
    /// Files being read, outermost first.
    open: Vec<PathBuf>,
}

impl Reader {
    fn file(&mut self, text: &Arc<Text>) {
        self.open.push(text.path().canonicalize().unwrap_or_else(|_| text.path().to_path_buf()));
        match kdl::parse(text) {
            Ok(document) => {
                for raw in document.nodes() {
                    self.top(text, raw);
                }
            }
            Err(complaints) => {
                self.reading.broken = true;
                self.reading.complaints.extend(complaints);
            }
        }
        self.open.pop();
    }

    fn top(&mut self, text: &Arc<Text>, raw: &KdlNode) {
        let (name, span) = (raw.name().value(), name_span(text, raw));
        let Some(kind) = reference::kind("", name) else {
            if node::sounds_secret(name) {
                for entry in raw.entries() {
                    text.mask(value::value_span(text, entry).range());
                }
            }
            self.reading.complaints.push(problem::unknown_node(name, &span, ""));
            return;
        };
        if !kind.ready {
            if !step::off(raw) {
                self.reading.complaints.push(problem::later(kind, &span));
            }
            return;
        }
        if kind.name == "notify" {
            let all = step::read_notify_block(text, kind, raw, &mut self.reading.complaints);
            self.reading.file.notify.extend(all);
            return;
        }
        let decoded = Node::decode(text, raw, kind, &mut self.reading.complaints);
        match kind.name {
            "sources" | "stores" => self.block(text, &decoded),
            "include" => self.include(text, &decoded),
            "job" => {
                let job = step::read_job(text, &decoded, &mut self.reading.complaints);
                let Some(job) = job else { return };
                match self.reading.file.jobs.iter().find(|j| j.name.value == job.name.value) {
                    Some(first) => self.reading.complaints.push(problem::name_twice("job", &first.name, &job.name)),
                    None => self.reading.file.jobs.push(job),
                }
            }
            _ => site::read(&decoded, &mut self.reading.file.site, &mut self.reading.complaints),
        }
    }

    /// The nodes of a `sources` or `stores` block.
    fn block(&mut self, text: &Arc<Text>, block: &Node) {
        for (kind, raw) in &block.blocks {
            if !kind.ready {
                let name = raw.get(0).and_then(|v| v.as_string()).map(str::to_owned);
                // Masks what sounds like a secret; its own complaints would be about a kind that is not there.
                Node::decode(text, raw, kind, &mut Vec::new());
                self.reading.unusable.extend(name);
                if !step::off(raw) {
                    self.reading.complaints.push(problem::later(kind, &name_span(text, raw)));
                }
                continue;
            }
            let node = Node::decode(text, raw, kind, &mut self.reading.complaints);
            if node.name.is_some() {
                self.named.push((text.clone(), node));
                continue;
            }
            let mut node = node;
            if let Some(earlier) = self.defaults.get(kind.name) {
                node.inherit(earlier);
            }
            self.defaults.insert(kind.name, node);
        }
    }

    fn include(&mut self, text: &Arc<Text>, node: &Node) {
        let Some(word) = &node.name else { return };
        let path = text.folder().join(&word.value);
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.open.contains(&real) {
            self.reading.complaints.push(problem::include_cycle(&path, &word.span));
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(contents) => self.file(&Text::new(path, contents)),
            Err(error) => {
                self.reading.broken = true;
                self.reading.complaints.push(problem::include_failed(&path, &error.to_string(), &word.span));
            }
        }
    }

    /// Fills defaults in and reads the named nodes.
    fn finish(mut self) -> Reading {
        let mut seen: Vec<(&'static str, Spanned<String>)> = Vec::new();
        for (text, mut node) in std::mem::take(&mut self.named) {
            if let Some(defaults) = self.defaults.get(node.kind.name) {
                node.inherit(defaults);
            }
            let Some(name) = node.name.clone() else { continue };
            let what = if node.kind.within == ["sources"] { "source" } else { "store" };
            if let Some((_, first)) = seen.iter().find(|(w, n)| *w == what && n.value == name.value) {
                self.reading.complaints.push(problem::name_twice(what, first, &name));
                continue;
            }
            seen.push((what, name));
            match what {
                "source" => self.reading.file.sources.extend(source::read(&node, &mut self.reading.complaints)),
                _ => self.reading.file.stores.extend(store::read(&text, &node, &mut self.reading.complaints)),
            }
        }
        self.reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(source: &str) -> Vec<&'static str> {
        let text = Text::new("t.kdl", source);
        read_one(&text).complaints.iter().map(|c| c.code).collect()
    }

    #[test]
    fn all_mistakes_of_a_file_come_at_once() {
        let found = codes(
            "sources {\n mysql \"a\" hots=\"x\" port=99999\n sqlite \"b\"\n mysql \"c\" host=\"h\" { host \"h\" }\n}\n\
             job \"j\" schedule=\"0 0 30 2 *\" {\n dump \"a\" optional=\"yes\"\n dumb \"b\"\n}\n",
        );
        for code in [
            "vex::field::unknown",
            "vex::value::bounds",
            "vex::field::missing",
            "vex::field::twice",
            "vex::schedule::impossible",
            "vex::value::switch",
            "vex::node::unknown",
        ] {
            assert!(found.contains(&code), "{code} in {found:?}");
        }
    }

    #[test]
    fn defaults_of_a_kind_are_inherited_field_by_field() {
        let text = Text::new("t.kdl", "sources {\n mysql { user \"vex\"; port 3307 }\n mysql \"a\" port=3308\n}\n");
        let reading = read_one(&text);
        assert!(reading.complaints.is_empty(), "{:?}", reading.complaints);
        let crate::job::SourceSpec::Mysql(spec) = &reading.file.sources[0].spec else { panic!("a mysql source") };
        assert_eq!((spec.user.as_str(), spec.port), ("vex", 3308));
    }

    #[test]
    fn a_secret_in_clear_is_an_error_and_is_not_shown() {
        let source = "sources {\n mysql \"a\" password=\"CANARY-P\"\n mysql \"b\" passwrod=\"CANARY-Q\"\n}\n";
        let text = Text::new("t.kdl", source);
        let reading = read_one(&text);
        assert!(reading.complaints.iter().any(|c| c.code == "vex::secret::clear"));
        assert!(!text.shown().contains("CANARY"), "{}", text.shown());
        assert!(!format!("{:?}", reading.complaints.iter().map(|c| &c.message).collect::<Vec<_>>()).contains("CANARY"));
    }
}
