//! An S3 service in this process that checks signatures, behind a layer of faults.
//!
//! `storage` is what a good service does, `proxy` is what goes wrong on the way and what came by,
//! `gateway` what is done to an answer there.
//! Nothing leaves 127.0.0.1; the keys are obvious fakes.

mod gateway;
mod parts;
mod proxy;
mod storage;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use vex::testing::base::SecretRef;
use vex::testing::job::S3Spec;

pub use gateway::Alter;
pub use proxy::{Fault, Kind, Recorded, What};
use proxy::{Layer, Proxy};
use storage::{Storage, Uploads};

/// A running service; it ends when dropped.
pub struct S3Server {
    /// `http://127.0.0.1:port`, or `https://`.
    pub endpoint: String,
    /// The same without the layer that watches and breaks things, and always in clear: for benches.
    #[allow(dead_code, reason = "tests go through the layer")]
    pub direct: String,
    /// The one bucket.
    pub bucket: String,
    /// An access key it knows.
    pub access_key: String,
    /// The secret of it.
    pub secret_key: String,
    /// Files that hold both, for job files.
    pub access_file: PathBuf,
    pub secret_file: PathBuf,
    /// The certificate to trust, over TLS.
    pub ca_file: Option<PathBuf>,
    uploads: Uploads,
    proxy: Proxy,
    runtime: Option<tokio::runtime::Runtime>,
    _folder: tempfile::TempDir,
}

impl S3Server {
    /// A service with pages of 1000.
    pub fn start() -> S3Server {
        S3Server::open(1000, false)
    }

    /// The same over TLS, with a CA of its own.
    pub fn start_tls() -> S3Server {
        S3Server::open(1000, true)
    }

    /// A service whose listings come in pages of `page`.
    pub fn start_with(page: usize) -> S3Server {
        S3Server::open(page, false)
    }

    fn open(page: usize, tls: bool) -> S3Server {
        let folder = tempfile::tempdir().unwrap();
        let (access_key, secret_key) = ("CANARY-ACCESS".to_owned(), "CANARY-SECRET".to_owned());
        let (access_file, secret_file) =
            (folder.path().join("access"), folder.path().join("secret"));
        for (path, text) in [(&access_file, &access_key), (&secret_file, &secret_key)] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("vault")).unwrap();
        let uploads = Uploads::default();
        let mut builder = S3ServiceBuilder::new(Storage::new(&root, page, uploads.clone()));
        builder.set_auth(SimpleAuth::from_single(access_key.clone(), secret_key.clone()));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let behind = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    // A connection that the proxy cut is no event.
                    drop(
                        Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(socket), service)
                            .await,
                    );
                });
            }
        });
        let ca_file = tls.then(|| folder.path().join("ca.pem"));
        let proxy = Proxy::start(
            behind,
            root.clone(),
            ca_file.as_deref().map(certify),
            Arc::new(Mutex::new(Layer::default())),
        );
        S3Server {
            endpoint: format!("{}://{}", if tls { "https" } else { "http" }, proxy.address),
            direct: format!("http://{behind}"),
            bucket: "vault".into(),
            access_key,
            secret_key,
            access_file,
            secret_file,
            ca_file,
            uploads,
            proxy,
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    /// A spec that reaches it.
    pub fn spec(&self) -> S3Spec {
        S3Spec {
            bucket: self.bucket.clone(),
            region: "us-east-1".into(),
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            access_key: Some(SecretRef::File(self.access_file.clone())),
            secret_key: Some(SecretRef::File(self.secret_file.clone())),
            session_token: None,
            profile: None,
            ca: self.ca_file.clone(),
            storage_class: None,
            sse: None,
            kms_key: None,
            tags: Vec::new(),
        }
    }

    /// Adds a fault to come.
    pub fn fault(&self, fault: Fault) {
        self.proxy.layer.lock().unwrap().faults.push(fault);
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        self.proxy.layer.lock().unwrap().faults.clear();
    }

    /// What came by so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.layer.lock().unwrap().requests.clone()
    }

    /// The statuses of one kind of request, in order; 0 where no answer was given.
    pub fn statuses(&self, kind: Kind) -> Vec<u16> {
        self.requests().iter().filter(|r| r.kind == kind).map(|r| r.status.unwrap_or(0)).collect()
    }

    /// The keys of uploads that are neither completed nor aborted.
    pub fn pending(&self) -> Vec<String> {
        self.uploads.lock().unwrap().values().map(|u| u.key.clone()).collect()
    }

    /// Fails if an upload was left, something outside `prefix` was deleted, or a secret stands in a
    /// URL.
    #[track_caller]
    pub fn assert_tidy(&self, prefix: &str) {
        assert_eq!(self.pending(), Vec::<String>::new(), "uploads were left behind");
        for request in self.requests() {
            let line = format!("{} {}?{}", request.method, request.path, request.query);
            let inside = request.path.starts_with(&format!("/{}/{prefix}", self.bucket));
            assert!(request.method != "DELETE" || inside, "deleted outside {prefix}: {line}");
            assert!(
                !line.contains("CANARY") && !line.contains("Signature"),
                "a secret in a URL: {line}"
            );
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes a certificate for 127.0.0.1, writes it to `file`, and returns what a server shows.
fn certify(file: &Path) -> Arc<ServerConfig> {
    vex::testing::world::install_provider();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}
