//! Fields and forms that several nodes of the language share. Data only.

use crate::syntax::table::{Argument, Field, Form};

pub const fn field(
    name: &'static str,
    form: Form,
    default: &'static str,
    doc: &'static str,
) -> Field {
    Field { name, form, default, doc, required: false }
}

pub const fn required(name: &'static str, form: Form, doc: &'static str) -> Field {
    Field { name, form, default: "", doc, required: true }
}

pub const ENABLED: Field =
    field("enabled", Form::Switch, "#true", "Whether it takes part; what is off stays checked.");
pub const OPTIONAL: Field =
    field("optional", Form::Switch, "#false", "A failure here is Alerta, not Erro.");
pub const AFTER: Field = field(
    "after",
    Form::List,
    "",
    "Steps to wait for: a name (`freeze`) or address (`dump/shop`); order only.",
);
pub const fn identity(default: &'static str) -> Field {
    let doc = "Names the database: its backups are one chain, whichever machine it runs on.";
    field("identity", Form::Text, default, doc)
}
pub const TLS: Form = Form::Choice(&["verify-full", "verify-ca", "require", "off"]);
pub const ENGINE: Form =
    Form::Choice(&["native", "mydumper", "mysqldump", "mariadb-dump", "pg_dump"]);
pub const FORMAT: Form = Form::Choice(&["custom", "directory", "plain"]);
pub const UNPACK: Field = field(
    "unpack",
    Form::Switch,
    "#false",
    "Of files: unpack them, and prove them by `pg_verifybackup`.",
);
pub const KEY: Field = field(
    "key",
    Form::Text,
    "{prefix}/{job}/{source}/{name}",
    "Template of keys; `{date}/{name}` at its end: a folder `YYYY-MM-DD_HH-MM` each.",
);
pub const ON: Field = field(
    "on",
    Form::Choice(&["always", "alert", "error", "change", "late"]),
    "always",
    "When to tell; `change`: the verdict is not that of the run before, or nobody knows that and it is not Sucesso.",
);

pub const BLOCK: Argument = Argument::None;
pub const IN_JOB: &[&str] = &["job"];
pub const CHAINS: &[&str] = &["dump", "physical", "rman"];
