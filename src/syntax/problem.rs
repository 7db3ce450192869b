//! The wording of every complaint about nodes, names and files, in one place; `fault.rs` has those
//! about values.
//!
//! Does not decide anything: the decoder calls one function per mistake. No function is given the
//! text of a secret.

use std::path::{Path, PathBuf};

use crate::base::{Complaint, Span, Spanned, suggest};
use crate::syntax::kinds::kinds;
use crate::syntax::reference;
use crate::syntax::table::{Argument, Field, Form, Kind};

/// What people call things elsewhere, and what they are called here.
const ALIASES: [(&str, &str); 22] = [
    ("mariadb", "mysql"),
    ("postgresql", "postgres"),
    ("pg", "postgres"),
    ("backup", "dump"),
    ("folder", "dir"),
    ("local", "dir"),
    ("minio", "s3"),
    ("aws", "s3"),
    ("upload", "send"),
    ("copy", "send"),
    ("retention", "keep"),
    ("check", "verify"),
    ("script", "exec"),
    ("run", "exec"),
    ("cron", "schedule"),
    ("username", "user"),
    ("hostname", "host"),
    ("database", "databases"),
    ("file", "path"),
    ("compress", "compression"),
    ("slack", "webhook"),
    ("mail", "email"),
];

/// The known word that was most likely meant.
fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let alias = ALIASES
        .iter()
        .find(|(other, own)| *other == name && known.contains(own))
        .map(|(_, own)| *own);
    let password = known.iter().copied().find(|k| *k == "password" && name.starts_with("pas"));
    alias.or(password).or_else(|| suggest(name, known.iter().copied()))
}

/// A node nobody knows here.
pub fn unknown_node(name: &str, span: &Span, parent: &str) -> Complaint {
    let place =
        if parent.is_empty() { "at the top level".into() } else { format!("in `{parent}`") };
    let here: Vec<&str> =
        reference::within(parent).map(|k| k.name).chain(fields_of(parent)).collect();
    let complaint = Complaint::error(
        "vex::node::unknown",
        format!("there is no `{}` {place}", name.escape_debug()),
    )
    .label(span, "unknown");
    // A name may be that of several kinds; sources stand before the catalog for who mistook a place.
    let mut homes: Vec<&str> =
        kinds().filter(|k| k.name == name).flat_map(|k| k.within.iter().copied()).collect();
    homes.sort_by_key(|home| *home == "catalog");
    let elsewhere = kinds().any(|k| k.name == name).then(|| homes.join("` or `"));
    if let Some(bare) = name.strip_suffix(':').filter(|bare| here.contains(bare)) {
        return complaint.help(format!("This looks like YAML; in KDL it is `{bare} {{ … }}`."));
    }
    complaint.help(match (elsewhere, meant(name, &here)) {
        (Some(home), _) if !home.is_empty() => format!("`{name}` stands in `{home}`."),
        (Some(_), _) => format!("`{name}` stands at the top level."),
        (None, Some(near)) => format!("Did you mean `{near}`?"),
        (None, None) => format!("Known here: {}.", here.join(", ")),
    })
}

fn fields_of(parent: &str) -> impl Iterator<Item = &'static str> {
    kinds().filter(move |k| k.name == parent).flat_map(|k| k.fields).map(|f| f.name)
}

/// A field the node does not have.
pub fn unknown_field(name: &str, span: &Span, kind: &Kind) -> Complaint {
    let known: Vec<&str> = kind.fields.iter().map(|f| f.name).collect();
    let inner: Vec<&str> = reference::within(kind.name).map(|k| k.name).collect();
    let found = format!("`{}` has no field `{}`", kind.name, name.escape_debug());
    let complaint = Complaint::error("vex::field::unknown", found).label(span, "unknown field");
    if inner.contains(&name) {
        return complaint.help(format!("`{name}` is a block: write `{name} …` inside the braces."));
    }
    if name == "url" && matches!(kind.argument, Argument::One(_)) {
        return complaint
            .help(format!("Its address has no name: write `{} (env)\"NAME\"`.", kind.name));
    }
    if kind.name == "keep" && ["days", "age", "max-age"].contains(&name) {
        return complaint.help("By age: `within=\"30d\"`; the newest of so many days: `daily=30`.");
    }
    let all: Vec<&str> = known.iter().chain(&inner).copied().collect();
    complaint.help(match meant(name, &all) {
        Some(near) => format!("Did you mean `{near}`?"),
        None if known.is_empty() => format!("`{}` takes no fields.", kind.name),
        None => format!("Known: {}.", known.join(", ")),
    })
}

/// A field given twice.
pub fn field_twice(name: &str, first: &Span, second: &Span) -> Complaint {
    Complaint::error("vex::field::twice", format!("`{name}` is given twice"))
        .label(second, "given again")
        .label(first, "given first")
        .help("Keep one of the two.")
}

/// A field that must be there.
pub fn field_missing(field: &Field, kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::field::missing", format!("`{}` needs `{}`", kind.name, field.name))
        .label(span, format!("`{}` is missing", field.name))
        .help(format!("{} Write `{}`.", field.doc, example(field)))
}

fn example(field: &Field) -> String {
    match field.form {
        Form::List | Form::Globs if field.name == "command" => "command \"prog\" \"arg\"".into(),
        Form::List | Form::Globs => format!("{} \"…\" \"…\"", field.name),
        Form::Secret => format!("{} (env)\"NAME\"", field.name),
        _ => format!("{}=\"…\"", field.name),
    }
}

/// A name that can't be part of a key.
pub fn bad_name(name: &str, span: &Span) -> Complaint {
    Complaint::error("vex::name::form", format!("`{}` is not a name", name.escape_debug()))
        .label(
            span,
            "letters and digits of any script, `-`, `_` and `.`; 1 to 64 characters, first a letter or digit",
        )
        .help("Names become parts of keys and addresses.")
}

/// A node without the name it needs.
pub fn name_missing(kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::name::missing", format!("`{}` needs a name", kind.name))
        .label(span, format!("write `{} \"name\"`", kind.name))
}

/// A node without the names it needs.
pub fn names_missing(kind: &Kind, what: &str, span: &Span) -> Complaint {
    Complaint::error(
        "vex::name::missing",
        format!("`{}` names no {}", kind.name, what.to_lowercase()),
    )
    .label(span, format!("write `{} \"{}\"`", kind.name, what.to_lowercase()))
}

/// An argument too many.
pub fn argument_extra(kind: &Kind, span: &Span) -> Complaint {
    let help = match kind.argument {
        Argument::None if kind.fields.is_empty() => {
            format!("`{}` has no name: begin its block at once.", kind.name)
        }
        Argument::None => {
            format!("`{}` has no name; its values are fields: `field=\"value\"`.", kind.name)
        }
        Argument::Name(_) => {
            "Only its name stands alone; all else is a field: `field=\"value\"`.".into()
        }
        Argument::Names(what) => format!("Only names of a {} stand here.", what.to_lowercase()),
        Argument::One(_) => "One value is enough.".into(),
    };
    Complaint::error("vex::node::argument", format!("`{}` takes no such argument", kind.name))
        .label(span, "not taken")
        .help(help)
}

/// A name given to two things.
pub fn name_twice(what: &str, first: &Spanned<String>, second: &Spanned<String>) -> Complaint {
    Complaint::error("vex::name::twice", format!("two {what}s are called `{}`", first.value))
        .label(&second.span, "called so again")
        .label(&first.span, "called so first")
        .help("Rename one of the two.")
}

/// A file that can't be spliced.
pub fn include_failed(path: &Path, why: &str, span: &Span) -> Complaint {
    Complaint::error(
        "vex::include::unreadable",
        format!("unable to read {}: {why}", path.display()),
    )
    .label(span, "included here")
}

/// A file that includes itself; `path` leads from it back to it.
pub fn include_cycle(path: &[PathBuf], span: &Span) -> Complaint {
    let names: Vec<String> = path.iter().map(|p| p.display().to_string()).collect();
    Complaint::error(
        "vex::include::cycle",
        format!("files include each other: {}", names.join(" -> ")),
    )
    .label(span, "included again here")
    .help("Remove one of the `include`.")
}

/// A file that declares nothing.
pub fn empty_file(path: &Path) -> Complaint {
    Complaint::error("vex::file::empty", format!("{} declares nothing", path.display()))
        .help("A job file has `sources`, `stores` and a `job`.")
}

/// A file that is not text.
pub fn not_utf8(path: &Path, span: &Span) -> Complaint {
    Complaint::error("vex::file::encoding", format!("{} is not UTF-8", path.display()))
        .label(span, "this byte is not")
        .help("Save it as UTF-8; it may be Latin-1.")
}

/// A file that can't be a job file.
pub fn too_large(path: &Path, most: u64) -> Complaint {
    Complaint::error(
        "vex::file::large",
        format!("{} is larger than {} MiB", path.display(), most >> 20),
    )
    .help("A job file is text written by people; is this the right file?")
}

/// Weak protection of a connection.
pub fn weak_tls(mode: &str, span: &Span) -> Complaint {
    Complaint::warning("vex::tls::weak", format!("`tls \"{mode}\"` does not check who answers"))
        .label(span, "weaker than verify-full")
        .help("Name the server's authority with `ca=` and leave `tls` out.")
}

/// Fields that contradict each other.
pub fn conflict(message: &str, first: &Span, second: Option<&Span>, help: &str) -> Complaint {
    let label = if second.is_some() { "one" } else { "here" };
    let complaint = Complaint::error("vex::field::conflict", message).label(first, label);
    match second {
        Some(second) => complaint.label(second, "the other").help(help),
        None => complaint.help(help),
    }
}

/// A policy without a rule.
pub fn empty_keep(span: &Span) -> Complaint {
    Complaint::error("vex::keep::empty", "`keep` has no rule")
        .label(span, "keeps nothing")
        .help("Say what to keep, such as `keep daily=7 weekly=4`.")
}
