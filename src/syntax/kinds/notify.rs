//! Who is told. Data only: one row, one field.

use crate::syntax::kinds::fields::{BLOCK, ENABLED, ON, field, required};
use crate::syntax::table::{Argument, Form, Kind};

/// Who is told.
pub const NOTIFY: &[Kind] = &[
    Kind {
        name: "email",
        within: &["notify"],
        argument: BLOCK,
        ready: true,
        doc: "A mail with the summary of the run.",
        fields: &[
            required("to", Form::List, "Receivers."),
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
        ready: true,
        doc: "A POST with the summary as JSON. The address may be a reference, for it often is a secret.",
        fields: &[ON, ENABLED],
    },
    Kind {
        name: "ping",
        within: &["notify"],
        argument: Argument::One("URL"),
        ready: true,
        doc: "A GET for a dead man's switch: `URL` after Sucesso or Alerta; after Erro its path and `/fail`, with the query \
              behind it. A query that says it went well (`status=up` of Uptime Kuma, `status=ok`, `state=complete`) says \
              the contrary then (`down`, `error`, `fail`), and where `/fail` is not taken the address itself is called with it.",
        fields: &[ON, ENABLED],
    },
];
