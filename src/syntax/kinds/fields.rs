//! Fields and forms that several nodes of the language share. Data only.

use crate::syntax::table::{Argument, Field, Form};

/// A field that may be left out, with what holds then.
pub const fn field(
    name: &'static str,
    form: Form,
    default: &'static str,
    doc: &'static str,
) -> Field {
    Field { name, form, default, doc, required: false }
}

/// A field that must be there.
pub const fn required(name: &'static str, form: Form, doc: &'static str) -> Field {
    Field { name, form, default: "", doc, required: true }
}

/// `enabled`.
pub const ENABLED: Field =
    field("enabled", Form::Switch, "#true", "Whether it takes part; what is off stays checked.");
/// `optional`.
pub const OPTIONAL: Field =
    field("optional", Form::Switch, "#false", "A failure here is Alerta, not Erro.");
/// `after`.
pub const AFTER: Field = field(
    "after",
    Form::List,
    "",
    "Steps to wait for: a name (`freeze`) or address (`dump/shop`); order only.",
);
/// `identity`, with what a source is named by without it.
pub const fn identity(default: &'static str) -> Field {
    let doc = "Names the database: its backups are one chain, whichever machine it runs on.";
    field("identity", Form::Text, default, doc)
}
/// `site`.
pub const SITE: Field = field(
    "site",
    Form::Text,
    "",
    "Where it is; a copy at the same site as its source does not count as safe if all burned.",
);
/// `restore-within`.
pub const RESTORE_WITHIN: Field = field(
    "restore-within",
    Form::Duration,
    "",
    "How long a restore may take; the page of sources judges the measured RTO by it.",
);
/// How far TLS goes.
pub const TLS: Form = Form::Choice(&["verify-full", "verify-ca", "require", "off"]);
/// What reads the rows.
pub const ENGINE: Form =
    Form::Choice(&["native", "mydumper", "mysqldump", "mariadb-dump", "pg_dump"]);
/// Formats of `pg_dump`.
pub const FORMAT: Form = Form::Choice(&["custom", "directory", "plain"]);
/// `unpack`.
pub const UNPACK: Field = field(
    "unpack",
    Form::Switch,
    "#false",
    "Of files: unpack them, and prove them by `pg_verifybackup`.",
);
/// `identity` of a verification.
pub const IDENTITY: Field = field(
    "identity",
    Form::Secret,
    "",
    "A file of identities that opens what is sealed for recipients of age; without one its bytes are proven, not its rows.",
);
/// `key`.
pub const KEY: Field = field(
    "key",
    Form::Text,
    "{prefix}/{job}/{source}/{name}",
    "Template of keys; `{date}/{name}` at its end: a folder `YYYY-MM-DD_HH-MM` each.",
);
/// `on`.
pub const ON: Field = field(
    "on",
    Form::Choice(&["always", "alert", "error", "change", "late"]),
    "always",
    "When to tell; `change`: the verdict is not that of the run before, or nobody knows that and it is not Sucesso.",
);

/// A block has no argument.
pub const BLOCK: Argument = Argument::None;
/// What stands in a job only.
pub const IN_JOB: &[&str] = &["job"];
/// The steps that make artifacts.
pub const CHAINS: &[&str] = &["dump", "physical", "rman"];
