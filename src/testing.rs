//! What tests and benches reach of the library; it promises nothing to anybody else.
//!
//! Everything else is private to the crate, so that the compiler finds what nobody uses. Holds no
//! code.

pub mod artifact {
    //! The format.
    pub use crate::artifact::{
        ContentsLine, Details, Dialect, EntryLine, Head, INDEX, IndexWriter, Kind, LARGEST_HEAD,
        MANIFEST, Manifest, Member, Method, Naming, ObjectLine, Origin, Phase, Position, Proof,
        RowDigest, Sealing, SqlError, TEMPLATE, Totals, UnitSum, Value, hex, press, read_rows,
        write_bytes, write_text,
    };
}

pub mod base {
    //! Words that every floor says.
    pub use crate::base::{Finding, Glob, Grade, ProcessId, Secret, SecretRef, Stop, Text};
}

pub mod catalog {
    //! What happened.
    pub use crate::catalog::{
        ADMINISTRATOR, Account, ArtifactRow, AuditRow, BackupRow, CLIENT, Catalog, Changed,
        CopyRow, Declaration, DeclaredChain, DeclaredCopy, DeclaredJob, DeclaredSource, ProofRow,
        RunRow, Session, StepRow, Taken,
    };
}

pub mod job {
    //! What a user declares.
    pub use crate::job::{
        AzureSpec, CatalogFamily, CatalogServer, ClusterSpec, DirSpec, DumpForm, Engine, GcsSpec,
        HostRole, Inconsistent, KeepSpec, MysqlSpec, Physical, PostgresSpec, S3Spec, SftpSpec,
        SourceSpec, SqliteSpec, Tls,
    };
}

pub mod pipeline {
    //! Bytes in motion.
    pub use crate::pipeline::{
        Backup, Copy, Fetch, IndexMade, Meter, Outcome, PART, Restore, Shape, Windows, backup,
        first_part, part_size, restore, verify,
    };
}

pub mod plan {
    //! What a job does.
    pub use crate::plan::build;
}

pub mod recover {
    //! From a backup to what came back.
    pub use crate::recover::Opened;
}

pub mod retention {
    //! What stays.
    pub use crate::retention::{Held, Judgement, Pinned, Reason, judge};
}

pub mod shelf {
    //! The artifacts of a job in a store.
    pub use crate::shelf::{Contents, IndexBytes, Shelf};
}

pub mod source {
    //! Where bytes come from.
    pub use crate::source::{is_mysql_catalogue, is_postgres_catalogue, open, ready_collations};

    pub mod contract {
        //! What every source owes.
        pub use crate::source::contract::{
            About, Error, ErrorKind, Load, Loading, Out, Piece, Proven, Purpose, Reading, Refused,
            Result, Snapshot, Target, Terms,
        };
    }
}

pub mod store {
    //! Where bytes rest.
    pub use crate::store::{Azure, Dir, Memory, Pace, S3, Sftp, open_gcs};

    pub mod contract {
        //! What every store owes.
        pub use crate::store::contract::{
            Ability, Coming, Error, ErrorKind, Limits, Object, Result, Store, Upload,
        };
    }
}

pub mod syntax {
    //! From text to a job.
    pub use crate::syntax::read_one;
}

pub mod web {
    //! The dashboard's ground.
    pub use crate::web::{
        Config, Dashboard, Desk, Handler, Method, Proxy, Request, Response, Route, ServeError,
        Settings, State, Tls, Who, serve,
    };
}

pub mod world {
    //! Effects.
    pub use crate::world::{Clock, World, install_provider, process_id};
}
