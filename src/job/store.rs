//! Stores as declared, defaults of their kind filled in.

use std::path::PathBuf;

use crate::base::{SecretRef, Span, Spanned};
use crate::job::policy::KeepSpec;

/// A named store.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its name.
    pub name: Spanned<String>,
    /// How to reach it.
    pub spec: StoreSpec,
    /// What retention keeps in it, if anything was said.
    pub keep: Option<KeepSpec>,
    /// First part of every key.
    pub prefix: String,
    /// The template of keys, without suffix.
    pub key: Option<Spanned<String>>,
    /// Where it is, in the user's own words; empty if nothing was said.
    pub site: String,
    /// Whether it takes part.
    pub enabled: bool,
    /// The whole node.
    pub span: Span,
}

/// How to reach a store, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSpec {
    /// A folder.
    Dir(DirSpec),
    /// A bucket.
    S3(S3Spec),
    /// A container of Azure Blob Storage.
    Azure(AzureSpec),
    /// A bucket of Google Cloud Storage.
    Gcs(GcsSpec),
    /// A folder of a server.
    Sftp(SftpSpec),
}

impl StoreSpec {
    /// The word of the language for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreSpec::Dir(_) => "dir",
            StoreSpec::S3(_) => "s3",
            StoreSpec::Azure(_) => "azure",
            StoreSpec::Gcs(_) => "gcs",
            StoreSpec::Sftp(_) => "sftp",
        }
    }

    /// The bucket, if it is one.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            StoreSpec::Dir(_) | StoreSpec::Sftp(_) => None,
            StoreSpec::S3(spec) => Some(&spec.bucket),
            StoreSpec::Azure(spec) => Some(&spec.container),
            StoreSpec::Gcs(spec) => Some(&spec.bucket),
        }
    }
}

/// A folder; keys are paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirSpec {
    /// The folder; made if missing.
    pub path: PathBuf,
    /// Whether it is a mount point, without which nothing is read or written.
    pub mount: bool,
}

/// A folder of a server that speaks SFTP, over the `ssh` of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SftpSpec {
    /// The host, as `ssh` knows it: a name, an address, or a `Host` of its configuration.
    pub host: String,
    /// The port; that of `ssh` when `None`.
    pub port: Option<u16>,
    /// The user; that of `ssh` when `None`.
    pub user: Option<String>,
    /// The private key; those of `ssh` when `None`.
    pub identity: Option<PathBuf>,
    /// The file of host keys; that of `ssh` when `None`.
    pub known_hosts: Option<PathBuf>,
    /// The folder there; made if missing.
    pub path: String,
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSpec {
    /// Storage account.
    pub account: String,
    /// Container.
    pub container: String,
    /// `https://host[:port][/path]` of the service; that of the account when `None`.
    pub endpoint: Option<String>,
    /// Where the key of the account is found.
    pub account_key: Option<SecretRef>,
    /// Where a shared access signature is found.
    pub sas: Option<SecretRef>,
    /// Certificates to trust beside the machine's.
    pub ca: Option<PathBuf>,
    /// `x-ms-access-tier`: `Hot`, `Cool`, `Cold`, `Archive`.
    pub tier: Option<String>,
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcsSpec {
    /// Bucket.
    pub bucket: String,
    /// `https://host[:port]` of the service; Google's when `None`.
    pub endpoint: Option<String>,
    /// Where the access key of an HMAC key is found.
    pub access_key: Option<SecretRef>,
    /// Where its secret is found.
    pub secret_key: Option<SecretRef>,
    /// Where the key file of a service account is found; the machine's own account when neither is
    /// there.
    pub service_account: Option<SecretRef>,
    /// Certificates to trust beside the machine's.
    pub ca: Option<PathBuf>,
    /// `x-goog-storage-class`.
    pub storage_class: Option<String>,
    /// Whether a key is claimed before an upload of parts.
    pub claim: bool,
}

/// A bucket of S3 or of a service that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Spec {
    /// Bucket.
    pub bucket: String,
    /// Region; `us-east-1` where the endpoint does not care.
    pub region: String,
    /// `https://host[:port]` of the service; AWS when `None`.
    pub endpoint: Option<String>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`.
    pub path_style: bool,
    /// Where the access key is found; the machine's own credentials when `None`.
    pub access_key: Option<SecretRef>,
    /// Where the secret key is found.
    pub secret_key: Option<SecretRef>,
    /// Where a session token is found.
    pub session_token: Option<SecretRef>,
    /// Profile of the AWS credentials file.
    pub profile: Option<String>,
    /// Certificates to trust beside the machine's.
    pub ca: Option<PathBuf>,
    /// `x-amz-storage-class`.
    pub storage_class: Option<String>,
    /// `x-amz-server-side-encryption`: `AES256` or `aws:kms`.
    pub sse: Option<String>,
    /// The key of `aws:kms`; the account's own when `None`.
    pub kms_key: Option<String>,
    /// Tags of every object, name and value.
    pub tags: Vec<(String, String)>,
}
