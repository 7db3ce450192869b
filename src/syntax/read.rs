//! The reader: the job file, its includes and its site file, top level first, defaults filled in
//! last.
//!
//! Does not know the fields of any node. A file is spliced once, however often it is included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::kdl::KdlNode;

use crate::base::{Complaint, Span, Spanned, Text};
use crate::job::JobFile;
use crate::syntax::load::load;
use crate::syntax::node::{Block, Node, name_span};
use crate::syntax::{kdl, problem, reference, site, source, step, store};

/// A job file as read: what it declares and what is wrong with its form.
#[derive(Debug, Default)]
pub struct Reading {
    /// What it declares; incomplete where there are errors.
    pub file: JobFile,
    /// What is wrong.
    pub complaints: Vec<Complaint>,
    /// Names of sources and stores that are declared but can't be used, so that nobody calls them
    /// unknown.
    pub unusable: Vec<String>,
    /// Whether any text did not parse: then what is missing may stand there.
    pub broken: bool,
}

/// Reads a job file with its site file: `site`, else `vex.kdl` beside it, else `/etc/vex/vex.kdl`.
pub fn read(path: &Path, site: Option<&Path>) -> std::io::Result<Reading> {
    let fail = |path: &Path, e: std::io::Error| {
        std::io::Error::new(e.kind(), format!("unable to read {}: {e}", path.display()))
    };
    let mut reader = Reader::default();
    let beside = path.parent().unwrap_or(Path::new("")).join("vex.kdl");
    let found = match site {
        Some(site) => Some(site.to_path_buf()),
        None => [beside, PathBuf::from("/etc/vex/vex.kdl")].into_iter().find(|p| p.is_file()),
    };
    if let Some(site) = found.filter(|s| !same_file(s, path)) {
        let loaded = load(&site).map_err(|e| fail(&site, e))?;
        reader.loaded(loaded);
    }
    let loaded = load(path).map_err(|e| fail(path, e))?;
    if loaded
        .as_ref()
        .is_ok_and(|text| kdl::parse(text).is_ok_and(|document| document.nodes().is_empty()))
    {
        reader.reading.complaints.push(problem::empty_file(path));
    }
    reader.loaded(loaded);
    Ok(reader.finish())
}

/// Reads one text as a job file without a site; includes are read from disk.
pub fn read_one(text: &Arc<Text>) -> Reading {
    let mut reader = Reader::default();
    reader.file(text);
    reader.finish()
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
    named: Vec<Node>,
    /// Files being read, outermost first: as found on disk, and as written.
    open: Vec<(PathBuf, PathBuf)>,
    /// Files that were read.
    done: Vec<PathBuf>,
    /// Nodes that a file may hold once.
    once: Vec<(&'static str, Span)>,
}

impl Reader {
    fn loaded(&mut self, loaded: Result<Arc<Text>, Complaint>) {
        match loaded {
            Ok(text) => self.file(&text),
            Err(complaint) => {
                self.reading.broken = true;
                self.reading.complaints.push(complaint);
            }
        }
    }

    fn file(&mut self, text: &Arc<Text>) {
        let real = text.path().canonicalize().unwrap_or_else(|_| text.path().to_path_buf());
        self.open.push((real.clone(), text.path().to_path_buf()));
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
        self.done.push(real);
    }

    fn top(&mut self, text: &Arc<Text>, raw: &KdlNode) {
        let (name, span) = (raw.name().value(), name_span(text, raw));
        let Some(kind) = reference::kind("", name) else {
            self.reading.complaints.push(problem::unknown_node(name, &span, ""));
            return;
        };
        if kind.name == "notify" {
            let all = step::read_notify_block(text, kind, raw, &mut self.reading.complaints);
            self.reading.file.notify.extend(all);
            return;
        }
        let decoded = Node::decode(text, raw, kind, &mut self.reading.complaints);
        match kind.name {
            "sources" | "stores" => self.block(&decoded, raw),
            "include" => self.include(text, &decoded),
            "job" => {
                let job = step::read_job(text, &decoded, &mut self.reading.complaints);
                let named = self.reading.file.jobs.iter().find(|j| j.name.value == job.name.value);
                match named.filter(|_| decoded.name.is_some()) {
                    Some(first) => self.reading.complaints.push(problem::name_twice(
                        "job",
                        &first.name,
                        &job.name,
                    )),
                    None => self.reading.file.jobs.push(job),
                }
            }
            _ => {
                self.only_once(kind.name, &span);
                site::read(&decoded, &mut self.reading.file.site, &mut self.reading.complaints);
            }
        }
    }

    /// Another file may say it better; the same file says it once.
    fn only_once(&mut self, name: &'static str, span: &Span) {
        match self.once.iter().find(|(n, s)| *n == name && Arc::ptr_eq(&s.text, &span.text)) {
            Some((_, first)) => {
                self.reading.complaints.push(problem::field_twice(name, first, span))
            }
            None => self.once.push((name, span.clone())),
        }
    }

    /// The nodes of a `sources` or `stores` block.
    fn block(&mut self, block: &Node, raw: &KdlNode) {
        // What an unknown kind declares can't be used, but it is not unknown.
        let strange = raw
            .iter_children()
            .filter(|c| reference::kind(block.kind.name, c.name().value()).is_none());
        self.reading.unusable.extend(strange.filter_map(first_word));
        for Block { kind, raw, text } in &block.blocks {
            let mut node = Node::decode(text, raw, kind, &mut self.reading.complaints);
            if node.name.is_some() {
                self.named.push(node);
                continue;
            }
            self.only_once(kind.name, &node.span);
            source::check_defaults(&node, &mut self.reading.complaints);
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
        if let Some(from) = self.open.iter().position(|(open, _)| *open == real) {
            let mut cycle: Vec<PathBuf> =
                self.open[from..].iter().map(|(_, shown)| shown.clone()).collect();
            cycle.push(self.open[from].1.clone());
            self.reading.complaints.push(problem::include_cycle(&cycle, &word.span));
            return;
        }
        if self.done.contains(&real) {
            return;
        }
        match load(&path) {
            Ok(loaded) => self.loaded(loaded),
            Err(error) => {
                self.reading.broken = true;
                self.reading.complaints.push(problem::include_failed(
                    &path,
                    &error.to_string(),
                    &word.span,
                ));
            }
        }
    }

    /// Fills defaults in and reads the named nodes.
    fn finish(mut self) -> Reading {
        let mut seen: Vec<(&'static str, Spanned<String>)> = Vec::new();
        for mut node in std::mem::take(&mut self.named) {
            if let Some(defaults) = self.defaults.get(node.kind.name) {
                node.inherit(defaults);
            }
            let Some(name) = node.name.clone() else { continue };
            let what = if node.kind.within == ["sources"] { "source" } else { "store" };
            if let Some((_, first)) = seen.iter().find(|(w, n)| *w == what && n.value == name.value)
            {
                self.reading.complaints.push(problem::name_twice(what, first, &name));
                continue;
            }
            seen.push((what, name));
            match what {
                "source" => self
                    .reading
                    .file
                    .sources
                    .extend(source::read(&node, &mut self.reading.complaints)),
                _ => self
                    .reading
                    .file
                    .stores
                    .extend(store::read(&node, &mut self.reading.complaints)),
            }
        }
        self.reading
    }
}

fn first_word(raw: &KdlNode) -> Option<String> {
    raw.get(0).and_then(|v| v.as_string()).map(str::to_owned)
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
        let text = Text::new(
            "t.kdl",
            "sources {\n mysql { user \"vex\"; port 3307 }\n mysql \"a\" port=3308\n}\n",
        );
        let reading = read_one(&text);
        assert!(reading.complaints.is_empty(), "{:?}", reading.complaints);
        let crate::job::SourceSpec::Mysql(spec) = &reading.file.sources[0].spec else {
            panic!("a mysql source")
        };
        assert_eq!((spec.user.as_str(), spec.port), ("vex", 3308));
    }

    #[test]
    fn a_secret_in_clear_is_an_error_and_is_not_shown() {
        let source = "sources {\n mysql \"a\" password=\"CANARY-P\"\n mysql \"b\" passwrod=\"CANARY-Q\"\n}\n";
        let text = Text::new("t.kdl", source);
        let reading = read_one(&text);
        assert!(reading.complaints.iter().any(|c| c.code == "vex::secret::clear"));
        assert!(!text.shown().contains("CANARY"), "{}", text.shown());
        assert!(
            !format!("{:?}", reading.complaints.iter().map(|c| &c.message).collect::<Vec<_>>())
                .contains("CANARY")
        );
    }

    #[test]
    fn defaults_hold_blocks_too() {
        let text = Text::new("t.kdl", "stores {\n dir { keep last=3 }\n dir \"a\" path=\"x\"\n}\n");
        let reading = read_one(&text);
        assert_eq!(reading.file.stores[0].keep.as_ref().and_then(|k| k.last), Some(3));
    }

    #[test]
    fn a_file_is_spliced_once_however_often_it_is_included() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written")
        };
        put("app.kdl", "sources {\n sqlite \"app\" path=\"app.db\"\n}\n");
        put("a.kdl", "include \"app.kdl\"\n");
        put("b.kdl", "include \"app.kdl\"\ninclude \"a.kdl\"\n");
        let reading = read(&folder.path().join("b.kdl"), Some(&folder.path().join("a.kdl")))
            .expect("readable");
        assert!(reading.complaints.is_empty(), "{:?}", reading.complaints);
        assert_eq!(reading.file.sources.len(), 1);
    }
}
