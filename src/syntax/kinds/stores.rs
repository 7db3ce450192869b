//! What a store can be, and what retention keeps in it. Data only: one row, one field.

use crate::syntax::kinds::fields::{BLOCK, ENABLED, KEY, SITE, field, required};
use crate::syntax::table::{Argument, Form, Kind};

/// What a store can be, and what retention keeps in it.
pub const STORES: &[Kind] = &[
    Kind {
        name: "dir",
        within: &["stores"],
        argument: Argument::Name(true),
        ready: true,
        doc: "A folder. Files are 0600, folders 0700.",
        fields: &[
            required("path", Form::Path, "The folder; made if missing."),
            field("prefix", Form::Text, "", "First part of every key."),
            KEY,
            SITE,
            ENABLED,
        ],
    },
    Kind {
        name: "s3",
        within: &["stores"],
        argument: Argument::Name(true),
        ready: true,
        doc: "A bucket of S3, or of a service that speaks its protocol.",
        fields: &[
            required("bucket", Form::Text, "Bucket."),
            field("region", Form::Text, "us-east-1", "Region."),
            field("endpoint", Form::Text, "AWS", "Address of the service: `https://host[:port]`."),
            field(
                "path-style",
                Form::Switch,
                "#true with an endpoint",
                "`host/bucket/key` instead of `bucket.host/key`.",
            ),
            field("prefix", Form::Text, "", "First part of every key."),
            KEY,
            field("access-key", Form::Secret, "the machine's own", "Access key."),
            field("secret-key", Form::Secret, "the machine's own", "Secret key."),
            field("session-token", Form::Secret, "", "Session token."),
            field("profile", Form::Text, "", "Profile of the AWS credentials file."),
            field("ca", Form::Path, "the machine's", "Certificates to trust."),
            field("storage-class", Form::Text, "the bucket's", "Storage class."),
            field(
                "sse",
                Form::Choice(&["AES256", "aws:kms"]),
                "the bucket's",
                "Encryption at the server.",
            ),
            SITE,
            ENABLED,
        ],
    },
    Kind {
        name: "azure",
        within: &["stores"],
        argument: Argument::Name(true),
        fields: &[],
        ready: false,
        doc: "Azure Blob Storage.",
    },
    Kind {
        name: "gcs",
        within: &["stores"],
        argument: Argument::Name(true),
        fields: &[],
        ready: false,
        doc: "Google Cloud Storage.",
    },
    Kind {
        name: "oci",
        within: &["stores"],
        argument: Argument::Name(true),
        fields: &[],
        ready: false,
        doc: "Oracle Cloud Object Storage.",
    },
    Kind {
        name: "sftp",
        within: &["stores"],
        argument: Argument::Name(true),
        fields: &[],
        ready: false,
        doc: "A server that speaks SFTP.",
    },
    Kind {
        name: "keep",
        within: &["dir", "s3", "send"],
        argument: BLOCK,
        ready: true,
        doc: "What retention keeps: the union of the rules, newest per period, in the job's zone; empty periods do not count.",
        fields: &[
            field("last", Form::Number(1, 100_000), "", "The newest so many."),
            field("within", Form::Duration, "", "All younger than this."),
            field("hourly", Form::Number(1, 100_000), "", "The newest of so many hours."),
            field("daily", Form::Number(1, 100_000), "", "The newest of so many days."),
            field("weekly", Form::Number(1, 100_000), "", "The newest of so many ISO weeks."),
            field("monthly", Form::Number(1, 100_000), "", "The newest of so many months."),
            field("yearly", Form::Number(1, 100_000), "", "The newest of so many years."),
        ],
    },
];
