//! Who is told. Data only: one row, one field.

use crate::syntax::kinds::fields::{BLOCK, ENABLED, ON, field, required};
use crate::syntax::table::{Argument, Form, Kind};

/// Who is told.
pub const NOTIFY: &[Kind] = &[
    Kind {
        name: "email",
        within: &["notify"],
        argument: BLOCK,
        doc: "A mail with the summary of the run, as text and HTML, with `backup_script.log` and `mydumper_log.log` (above 256 KiB \
              as `.gz`). A failure is told ten seconds after it is known, if the run goes on, and again at the end.",
        fields: &[
            required(
                "to",
                Form::List,
                "Receivers; whom the server refuses keeps nobody else from being told.",
            ),
            field(
                "escalate",
                Form::List,
                "",
                "Who is told besides when a restore or a drill failed, whatever `on` says.",
            ),
            field(
                "subject",
                Form::Text,
                "`Rotina de backup HOST DATE TIME`",
                "Subject; `{verdict}`, `{job}`, `{host}`, `{date}` and `{time}` are filled in.",
            ),
            field("lang", Form::Choice(&["pt-BR", "en"]), "the site's", "Language."),
            ON,
            ENABLED,
        ],
    },
    Kind {
        name: "webhook",
        within: &["notify"],
        argument: Argument::One("URL"),
        doc: "A POST with the summary as JSON, tried three times within 60 s. The address must be a reference, for it often \
              is a secret.",
        fields: &[
            field(
                "shape",
                Form::Choice(&["vex", "ntfy", "slack", "discord", "teams", "telegram", "gotify"]),
                "vex",
                "Who reads it: `vex` is the whole summary for a program, the others a message for people.",
            ),
            field(
                "secret",
                Form::Secret,
                "",
                "Key of the signature: `X-Vex-Signature: sha256=` and the HMAC-SHA-256 of the body.",
            ),
            field("lang", Form::Choice(&["pt-BR", "en"]), "the site's", "Language of a message."),
            ON,
            ENABLED,
        ],
    },
    Kind {
        name: "ping",
        within: &["notify"],
        argument: Argument::One("URL"),
        doc: "A GET for a dead man's switch: `URL` after Sucesso or Alerta; after Erro its path and `/fail`, with the query \
              behind it. A query that says it went well (`status=up` of Uptime Kuma, `status=ok`, `state=complete`) says \
              the contrary then (`down`, `error`, `fail`), and where `/fail` is not taken the address itself is called with it.",
        fields: &[
            field(
                "start",
                Form::Switch,
                "#false",
                "Whether a run that begins is told too: the path and `/start`, or `state=run`, `status=in_progress`.",
            ),
            field(
                "log",
                Form::Size,
                "",
                "So much of the end of the log is sent with it, as a POST; without it nothing but the call.",
            ),
            ON,
            ENABLED,
        ],
    },
];
