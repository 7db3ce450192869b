//! The blocks of a job file and of a site file. Data only: one row, one field.

use crate::syntax::kinds::fields::{BLOCK, ENABLED, TLS, field, required};
use crate::syntax::table::{Argument, Field, Form, Kind};

/// Where a catalog is in MySQL or MariaDB.
const MYSQL: &[Field] = &[
    field("host", Form::Text, "localhost", "Host name or address."),
    field("port", Form::Number(1, 65535), "3306", "TCP port."),
    field("socket", Form::Path, "", "Unix socket; wins over host and port."),
    field("user", Form::Text, "vex", "User."),
    field("password", Form::Secret, "", "Password."),
    field(
        "database",
        Form::Text,
        "vex",
        "The database; its tables are made when they are missing.",
    ),
    field(
        "tls",
        TLS,
        "verify-full; off on a socket or loopback",
        "How the connection is protected.",
    ),
    field("ca", Form::Path, "the machine's", "Certificates to trust."),
    field("cert", Form::Path, "", "Own certificate."),
    field("key", Form::Path, "", "Key of the own certificate."),
];

/// Where a catalog is in PostgreSQL.
const POSTGRES: &[Field] = &[
    field("host", Form::Text, "localhost", "Host name or address."),
    field("port", Form::Number(1, 65535), "5432", "TCP port."),
    field("socket", Form::Path, "", "Folder of the Unix socket; wins over host."),
    field("user", Form::Text, "vex", "User."),
    field("password", Form::Secret, "", "Password."),
    field(
        "database",
        Form::Text,
        "vex",
        "The database; its tables are made when they are missing.",
    ),
    field(
        "tls",
        TLS,
        "verify-full; off on a socket or loopback",
        "How the connection is protected.",
    ),
    field("ca", Form::Path, "the machine's", "Certificates to trust."),
    field("cert", Form::Path, "", "Own certificate."),
    field("key", Form::Path, "", "Key of the own certificate."),
];

/// The blocks of a job file and of a site file.
pub const BLOCKS: &[Kind] = &[
    Kind {
        name: "sources",
        within: &[],
        argument: BLOCK,
        fields: &[],
        doc: "Where backups come from.",
    },
    Kind { name: "stores", within: &[], argument: BLOCK, fields: &[], doc: "Where backups rest." },
    Kind {
        name: "job",
        within: &[],
        argument: Argument::Name(false),
        doc: "What is done together: steps that run in parallel unless they touch.",
        fields: &[
            field("schedule", Form::Schedule, "", "When it is due."),
            field(
                "timezone",
                Form::Zone,
                "the machine's",
                "Zone of its schedule, of names and of retention.",
            ),
            field("threads", Form::Number(1, 64), "4", "Connections of one dump."),
            field("parallel", Form::Number(1, 64), "2", "Chains at once."),
            field(
                "within",
                Form::Duration,
                "",
                "It is late when a scheduled run is not proven in this time.",
            ),
            field(
                "not-after",
                Form::Clock,
                "",
                "Time of day, in its zone, after which a run begins no dump, physical or vacuum any more; what has begun goes on to its end.",
            ),
            field(
                "logs",
                Form::Path,
                "the state folder",
                "Folder of its logs: a folder a run, with `backup_script.log`, what the engines said in \
                 `mydumper_log.log`, and `events.ndjson`; as a block it says more.",
            ),
            ENABLED,
        ],
    },
    Kind {
        name: "logs",
        within: &["job"],
        argument: BLOCK,
        doc: "The logs of a job.",
        fields: &[
            field("path", Form::Path, "the state folder", "Their folder."),
            field(
                "keep",
                Form::Duration,
                "90d",
                "How long they are kept; older ones are removed after a run that ended in Sucesso. History and audit stay.",
            ),
        ],
    },
    Kind {
        name: "notify",
        within: &["", "job"],
        argument: BLOCK,
        fields: &[],
        doc: "Who is told: at the top level of all jobs, inside a job of that one.",
    },
    Kind {
        name: "include",
        within: &[],
        argument: Argument::One("FILE"),
        fields: &[],
        doc: "Splices a file; its path is relative to the file it stands in.",
    },
    Kind {
        name: "catalog",
        within: &[],
        argument: BLOCK,
        doc: "Where history is kept: a SQLite file, or a database that many hosts share (`mysql` or `postgres` inside).",
        fields: &[
            field("path", Form::Path, "the state folder", "File of the SQLite catalog."),
            field(
                "exclusive",
                Form::Choice(&["host", "required"]),
                "all hosts that share the catalog, for a job that reads servers by their address",
                "Whose other runs of a job keep it from running: `host`, this host's; `required`, all hosts', and nothing runs without the catalog.",
            ),
        ],
    },
    Kind {
        name: "mysql",
        within: &["catalog"],
        argument: BLOCK,
        doc: "History is kept in a database of MySQL or MariaDB, which must be there.",
        fields: MYSQL,
    },
    Kind {
        name: "postgres",
        within: &["catalog"],
        argument: BLOCK,
        doc: "History is kept in a database of PostgreSQL, which must be there.",
        fields: POSTGRES,
    },
    Kind {
        name: "mail",
        within: &[],
        argument: BLOCK,
        doc: "The mail server.",
        fields: &[
            required("host", Form::Text, "Host."),
            field("port", Form::Number(1, 65535), "587", "Port."),
            field("user", Form::Text, "", "User."),
            field("password", Form::Secret, "", "Password."),
            required("from", Form::Text, "Sender."),
            field(
                "tls",
                Form::SwitchOr(&["starttls", "implicit"]),
                "implicit on port 465, else starttls",
                "STARTTLS, or TLS from the first byte; off only on loopback.",
            ),
            field("ca", Form::Path, "the machine's", "Certificates to trust."),
        ],
    },
    Kind {
        name: "web",
        within: &[],
        argument: BLOCK,
        doc: "The dashboard, `vex serve`; belongs into the site file.",
        fields: &[
            field("listen", Form::Text, "127.0.0.1:8787", "Address and port."),
            field("hosts", Form::List, "the address it listens on", "Names it answers to."),
            field("cert", Form::Path, "", "Certificate, as PEM; without one it speaks HTTP."),
            field("key", Form::Path, "", "Key of the certificate."),
            field("public-url", Form::Text, "", "Address that letters and webhooks name."),
            field(
                "trusted-proxy",
                Form::List,
                "",
                "Addresses of proxies whose headers are believed.",
            ),
            field(
                "proxy-user",
                Form::Text,
                "",
                "Header in which a trusted proxy names who is signed in.",
            ),
            field(
                "proxy-privilege",
                Form::Choice(&["Administrador", "Cliente"]),
                "Cliente",
                "Privilege of those whom a proxy signs in.",
            ),
            field(
                "session",
                Form::Duration,
                "12h",
                "How long a session lasts; idle ones end after 30 min.",
            ),
        ],
    },
    Kind {
        name: "report",
        within: &[],
        argument: BLOCK,
        doc: "The report as a folder of pages; belongs into the site file.",
        fields: &[required("out", Form::Path, "The folder; written after every run.")],
    },
    Kind {
        name: "metrics",
        within: &[],
        argument: BLOCK,
        doc: "Numbers for a monitor, as gauges of OpenMetrics; belongs into the site file.",
        fields: &[required(
            "path",
            Form::Path,
            "The folder that node_exporter reads (`--collector.textfile.directory`); a file a job, written after every \
             attempt to run it.",
        )],
    },
    Kind {
        name: "language",
        within: &[],
        argument: Argument::One("LANGUAGE"),
        fields: &[],
        doc: "Language of letters and pages: `pt-BR` or `en`.",
    },
    Kind {
        name: "timezone",
        within: &[],
        argument: Argument::One("ZONE"),
        fields: &[],
        doc: "Zone of jobs that name none.",
    },
    Kind {
        name: "sign",
        within: &[],
        argument: BLOCK,
        doc: "Signs the head of every backup; belongs into the site file.",
        fields: &[required(
            "key",
            Form::Secret,
            "An Ed25519 key as `openssl genpkey -algorithm ed25519` writes it.",
        )],
    },
    Kind {
        name: "verify-key",
        within: &[],
        argument: Argument::Names("KEY"),
        fields: &[],
        doc: "Public keys, `ed25519:…`: a backup that none of them has signed, or that was altered since, is no backup. Belongs into the site file.",
    },
    Kind {
        name: "tools",
        within: &[],
        argument: BLOCK,
        doc: "Where client programs are, if not in their usual folders; belongs into the site file.",
        fields: &[
            field(
                "postgres",
                Form::List,
                "PATH, then `/usr/lib/postgresql/*/bin` and `/usr/pgsql-*/bin`",
                "Folders that are searched first; the oldest programs that fit the server are taken.",
            ),
            field(
                "mysql",
                Form::List,
                "PATH",
                "Folders of mysqldump and mariadb-dump, searched first.",
            ),
            field("mydumper", Form::List, "PATH", "Folders of mydumper, searched first."),
            field(
                "oracle",
                Form::List,
                "`bin` of the `home` of the source",
                "The folder of rman and sqlplus.",
            ),
        ],
    },
    Kind {
        name: "state",
        within: &[],
        argument: BLOCK,
        doc: "The state folder: locks, logs, the catalog; belongs into the site file.",
        fields: &[required(
            "path",
            Form::Path,
            "The folder, made for its owner alone; without it `$STATE_DIRECTORY`, `$XDG_STATE_HOME/vex`, `/var/lib/vex` or \
             `~/.local/state/vex`.",
        )],
    },
    Kind {
        name: "staging",
        within: &[],
        argument: BLOCK,
        doc: "Where what can't be streamed is staged: SQLite copies, files of dump programs; belongs into the site file.",
        fields: &[required(
            "path",
            Form::Path,
            "The folder; without it `staging` in the state folder.",
        )],
    },
    Kind {
        name: "env-file",
        within: &[],
        argument: Argument::One("FILE"),
        fields: &[],
        doc: "A file of lines `NAME=value`, which only its owner may read: variables for `(env)` that the environment does not have; belongs into the site file.",
    },
    Kind {
        name: "review",
        within: &[],
        argument: BLOCK,
        doc: "When somebody must look the plan of backups over again.",
        fields: &[required(
            "by",
            Form::Date,
            "The day; after it `check` and `doctor` warn until it is moved.",
        )],
    },
];
