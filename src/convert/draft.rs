//! A job file about to be written: sources, stores, jobs, who is told, and what was not taken over.
//!
//! Does not know what it is made of. Invariant: a secret in clear never comes in; only where it is
//! read from does.

/// A place of a secret, as the job file writes it: `(env)"SHOP_PASSWORD"`.
pub struct Secret(pub String);

/// A node with fields below it.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Its first words, `mysql "shop" host="db1"`.
    pub head: String,
    /// Its children.
    pub inner: Vec<Block>,
}

/// A source, before sources of the same server become one.
pub struct Source {
    /// What it is part of, where one file makes several jobs: each keeps its own.
    pub of: String,
    /// Its kind: `mysql`, `postgres`, `sqlite`.
    pub kind: &'static str,
    /// The name that is wished for.
    pub name: String,
    /// Its fields but the lists, written out.
    pub fields: Vec<Block>,
    /// Whether all databases are meant.
    pub all: bool,
    /// Lists of names by their field: `databases`, `exclude`, `tables`.
    pub lists: Vec<(&'static str, Vec<String>)>,
}

/// A job.
pub struct Job {
    /// Its name.
    pub name: String,
    /// Fields behind the name, written out: ` schedule="0 1 * * *"`.
    pub fields: String,
    /// `archive`, where it is sealed.
    pub archive: Option<Block>,
    /// Options of its dumps, written out.
    pub dump: String,
    /// The names of its sources.
    pub sources: Vec<String>,
    /// The names of its stores.
    pub stores: Vec<String>,
}

/// The whole.
#[derive(Default)]
pub struct Draft {
    /// What was not taken over, and what a person has to do.
    pub notes: Vec<String>,
    sources: Vec<(String, Source)>,
    stores: Vec<(String, Block)>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Blocks of `notify`.
    pub notify: Vec<Block>,
    /// The block `mail`.
    pub mail: Option<Block>,
}

impl Block {
    /// A node without children.
    pub fn line(head: impl Into<String>) -> Block {
        Block { head: head.into(), inner: Vec::new() }
    }

    fn write(&self, depth: usize, out: &mut String) {
        let indent = "    ".repeat(depth);
        if self.inner.is_empty() {
            *out += &format!("{indent}{}\n", self.head);
            return;
        }
        *out += &format!("{indent}{} {{\n", self.head);
        self.inner.iter().for_each(|inner| inner.write(depth + 1, out));
        *out += &format!("{indent}}}\n");
    }
}

impl Draft {
    /// Notes something that a person has to know.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Adds a source, or its databases to one of the same server; gives the name.
    pub fn source(&mut self, mut source: Source) -> String {
        let heads = |fields: &[Block]| fields.iter().map(|f| f.head.clone()).collect::<Vec<_>>();
        let same = self.sources.iter_mut().find(|(_, other)| {
            let plain = |s: &Source| s.lists.iter().all(|(field, _)| *field == "databases");
            other.kind == source.kind
                && other.of == source.of
                && heads(&other.fields) == heads(&source.fields)
                && other.all == source.all
                && plain(other)
                && plain(&source)
                && source.kind != "sqlite"
        });
        if let Some((name, other)) = same {
            let more = source.lists.into_iter().flat_map(|(_, names)| names);
            if let Some((_, names)) = other.lists.first_mut() {
                names.extend(more);
                names.dedup();
            }
            return name.clone();
        }
        let name = free(&slug(&source.name, source.kind), self.sources.iter().map(|(n, _)| n));
        source.name.clone_from(&name);
        self.sources.push((name.clone(), source));
        name
    }

    /// Adds a store, whose node is written with its name put in at `{}`; gives the name.
    pub fn store(&mut self, name: &str, kind: &str, fields: &str, inner: Vec<Block>) -> String {
        let name = free(&slug(name, kind), self.stores.iter().map(|(n, _)| n));
        let head = format!("{kind} {} {fields}", quoted(&name));
        self.stores.push((name.clone(), Block { head: head.trim_end().to_owned(), inner }));
        name
    }

    /// Whether there is anything to back up.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The job file.
    pub fn written(&self, origin: &str) -> String {
        let mut out =
            format!("// Made of a configuration of {origin} by `vex new`; look it over.\n");
        out += "//\n//     vex check FILE       every mistake at once; contacts nothing\n";
        out += "//     vex doctor FILE      privileges, versions, stores, what a run would lack\n";
        out += "//     vex plan FILE        what a run would read, lock, send and remove\n";
        if !self.notes.is_empty() {
            out += "//\n// Not taken over, or to be done:\n";
            self.notes.iter().for_each(|note| out += &format!("// - {note}\n"));
        }
        out += "\nsources {\n";
        self.sources.iter().for_each(|(_, source)| source.block().write(1, &mut out));
        out += "}\n\nstores {\n";
        self.stores.iter().for_each(|(_, store)| store.write(1, &mut out));
        out += "}\n";
        if let Some(block) = &self.mail {
            out.push('\n');
            block.write(0, &mut out);
        }
        if !self.notify.is_empty() {
            out.push('\n');
            Block { head: "notify".to_owned(), inner: self.notify.clone() }.write(0, &mut out);
        }
        self.jobs.iter().for_each(|job| job.write(&mut out));
        out
    }
}

impl Source {
    fn block(&self) -> Block {
        let mut head = format!("{} {}", self.kind, quoted(&self.name));
        let mut inner = Vec::new();
        for field in &self.fields {
            // A secret stands on a line of its own, the rest behind the name.
            match field.head.split_once(' ') {
                Some((name, word)) if !word.starts_with('(') => {
                    head += &format!(" {name}={word}");
                }
                _ => inner.push(field.clone()),
            }
        }
        for (field, names) in self.lists.iter().filter(|(_, names)| !names.is_empty()) {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            inner.push(Block::line(format!("{field} {}", names.join(" "))));
        }
        Block { head, inner }
    }
}

impl Job {
    fn write(&self, out: &mut String) {
        let mut inner: Vec<Block> = self.archive.clone().into_iter().collect();
        let stores: Vec<String> = self.stores.iter().map(|store| quoted(store)).collect();
        let chain = vec![
            Block::line(format!("send {}", stores.join(" "))),
            Block::line(format!("verify {}", stores.join(" "))),
        ];
        let sources: Vec<String> = self.sources.iter().map(|source| quoted(source)).collect();
        inner
            .push(Block { head: format!("dump {}{}", sources.join(" "), self.dump), inner: chain });
        out.push('\n');
        Block { head: format!("job {}{}", quoted(&self.name), self.fields), inner }.write(0, out);
    }
}

/// A text as KDL writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            c if c.is_control() || ('\u{200e}'..='\u{202e}').contains(&c) => {
                out += &format!("\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A name of the language: letters, digits, `-` and `_`.
pub fn slug(text: &str, or: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .take(40)
        .collect();
    match plain.trim_matches(['-', '_']) {
        "" => or.to_owned(),
        name => name.to_owned(),
    }
}

fn free<'a>(wish: &str, taken: impl Iterator<Item = &'a String>) -> String {
    let taken: Vec<&String> = taken.collect();
    let is_free = |name: &String| !taken.contains(&name);
    let mut names =
        std::iter::once(wish.to_owned()).chain((2..).map(|number: u32| format!("{wish}-{number}")));
    names.find(is_free).unwrap_or_default()
}
