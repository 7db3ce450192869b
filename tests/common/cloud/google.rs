//! A bucket of Google Cloud Storage by its XML API, and who gives tokens for it. It checks
//! signatures, tokens, checksums and conditions, and refuses what the service refuses: a condition
//! on an upload of parts, headers of Amazon's beside those of Google's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vex::testing::base::SecretRef;
use vex::testing::job::GcsSpec;

use super::http::{Asked, Http, Service, Told};

const ACCESS: &str = "GOOGCANARYACCESS";
const SECRET: &str = "CANARY-GOOG-SECRET";
const EMAIL: &str = "vex@canary.iam.gserviceaccount.com";

struct Object {
    bytes: Vec<u8>,
    generation: u64,
    written: Timestamp,
}

struct Upload {
    key: String,
    parts: BTreeMap<u32, (String, Vec<u8>)>,
}

/// What the service keeps.
pub struct Bucket {
    page: usize,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    count: u64,
    public: Vec<u8>,
    /// Tokens that were given, and are taken.
    pub tokens: Vec<String>,
    /// How long a token holds, in seconds.
    pub holds: i64,
    /// Whether nothing may be written over.
    pub retention: bool,
}

/// A running service.
pub struct GoogleServer {
    pub http: Http<Bucket>,
    pub access_file: PathBuf,
    pub secret_file: PathBuf,
    pub account_file: PathBuf,
    _folder: TempDir,
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl GoogleServer {
    /// With pages of `page`, and a key of its own for the service account.
    pub fn start(page: usize) -> GoogleServer {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        private(&path("access"), ACCESS);
        private(&path("secret"), SECRET);
        let made = std::process::Command::new("openssl")
            .args([
                "genpkey",
                "-quiet",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
            ])
            .arg(path("key"))
            .output()
            .expect("openssl: run tests/run.sh");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let pem = std::fs::read_to_string(path("key")).unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let http = Http::start(Bucket {
            page,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            count: 0,
            public: pair.public_key().as_ref().to_vec(),
            tokens: Vec::new(),
            holds: 3600,
            retention: false,
        });
        let account = serde_json::json!({
            "type": "service_account", "client_email": EMAIL, "private_key": pem,
            "private_key_id": "k1", "token_uri": format!("http://{}/token", http.address),
        });
        private(&path("account"), &account.to_string());
        GoogleServer {
            http,
            access_file: path("access"),
            secret_file: path("secret"),
            account_file: path("account"),
            _folder: folder,
        }
    }

    /// A spec that reaches it by an HMAC key.
    pub fn spec(&self) -> GcsSpec {
        GcsSpec {
            bucket: "vault".into(),
            endpoint: Some(format!("http://{}", self.http.address)),
            access_key: Some(SecretRef::File(self.access_file.clone())),
            secret_key: Some(SecretRef::File(self.secret_file.clone())),
            service_account: None,
            ca: None,
            storage_class: None,
            claim: true,
        }
    }

    /// A spec that reaches it by a service account.
    pub fn account(&self) -> GcsSpec {
        let service_account = Some(SecretRef::File(self.account_file.clone()));
        GcsSpec { access_key: None, secret_key: None, service_account, ..self.spec() }
    }

    /// The names of objects.
    pub fn names(&self) -> Vec<String> {
        self.http.service.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The keys of uploads that are neither completed nor aborted.
    pub fn pending(&self) -> Vec<String> {
        self.http.service.lock().unwrap().uploads.values().map(|u| u.key.clone()).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn crc32c(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_fast::crc32_iscsi(bytes).to_be_bytes())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn encode(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    let each = text.bytes();
    each.map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The `Authorization` that a request must have, given the headers that it says it signed.
fn authorization(asked: &Asked) -> Option<String> {
    let told = asked.header("authorization");
    let names = told.split("SignedHeaders=").nth(1)?.split(',').next()?;
    let date = asked.header("x-goog-date");
    let payload = asked.header("x-goog-content-sha256");
    let needed = asked.headers.keys().filter(|n| n.starts_with("x-goog-") || *n == "host");
    let all = needed.clone().all(|name| names.split(';').any(|n| n == name));
    let body_fits = payload == hex(&Sha256::digest(&asked.body));
    if !all || !body_fits || date.len() != 16 {
        return None;
    }
    let pairs: Vec<_> =
        asked.query.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
    let headers: String = names.split(';').map(|n| format!("{n}:{}\n", asked.header(n))).collect();
    let request = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{payload}",
        asked.method,
        asked.path,
        pairs.join("&")
    );
    let scope = format!("{}/auto/storage/goog4_request", &date[..8]);
    let text =
        format!("GOOG4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let first = format!("GOOG4{SECRET}").into_bytes();
    let key = scope.split('/').fold(first, |key, word| mac(&key, word));
    Some(format!(
        "GOOG4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={}",
        hex(&mac(&key, &text))
    ))
}

impl Bucket {
    fn give(&mut self) -> Told {
        let token = format!("CANARY-TOKEN-{}", self.tokens.len());
        self.tokens.push(token.clone());
        let given = serde_json::json!({
            "access_token": token, "expires_in": self.holds, "token_type": "Bearer",
        });
        Told::new(200).with("content-type", "application/json").body(given.to_string())
    }

    /// A token for a signed assertion.
    fn token(&mut self, asked: &Asked) -> Told {
        let refuse = |what: &str| {
            let text = serde_json::json!({ "error": "invalid_grant", "error_description": what });
            Told::new(400).body(text.to_string())
        };
        let form: BTreeMap<_, _> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let assertion = form.get("assertion").cloned().unwrap_or_default();
        let Some((text, signature)) = assertion.rsplit_once('.') else { return refuse("no JWT") };
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        if form.get("grant_type").map(String::as_str) != Some(grant)
            || key.verify(text.as_bytes(), &decode(signature)).is_err()
        {
            return refuse("Invalid JWT Signature.");
        }
        let (head, claims) = text.split_once('.').unwrap();
        let read =
            |part: &str| -> serde_json::Value { serde_json::from_slice(&decode(part)).unwrap() };
        let (head, claims) = (read(head), read(claims));
        let now = Timestamp::now().as_second();
        let lasts = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        let fits = head["alg"] == "RS256"
            && claims["iss"] == EMAIL
            && claims["aud"] == format!("http://{}/token", asked.header("host"))
            && claims["scope"].as_str().is_some_and(|s| s.contains("devstorage.read_write"))
            && (claims["iat"].as_i64().unwrap() - now).abs() < 60
            && lasts <= 3600;
        if fits { self.give() } else { refuse("Invalid JWT") }
    }

    fn guard(&self, asked: &Asked) -> Result<(), Told> {
        let mixed = asked.headers.keys().any(|name| name.starts_with("x-amz-"));
        if mixed {
            return Err(self.refuse(400, "ExcessHeaderValues"));
        }
        let told = asked.header("authorization");
        let known = match told.strip_prefix("Bearer ") {
            Some(token) => self.tokens.last().is_some_and(|last| last == token),
            None => authorization(asked).is_some_and(|expected| expected == told),
        };
        if !known {
            return Err(self.refuse(403, "SignatureDoesNotMatch"));
        }
        let crc = asked.header("x-goog-hash").strip_prefix("crc32c=").map(str::to_owned);
        if crc.is_some_and(|crc| crc != crc32c(&asked.body)) {
            return Err(self.refuse(400, "BadDigest"));
        }
        let parts = asked.query("uploads").or(asked.query("uploadId")).is_some();
        let condition =
            asked.headers.keys().any(|n| n.starts_with("x-goog-if-") || n == "if-none-match");
        // The service takes no such header there; vex must not believe in one.
        match parts && condition {
            true => Err(self.refuse(400, "InvalidArgument")),
            false => Ok(()),
        }
    }

    fn write(&mut self, key: String, bytes: Vec<u8>) -> Told {
        if self.retention && self.objects.contains_key(&key) {
            return self.refuse(403, "RetentionPolicyNotMet");
        }
        self.count += 1;
        let object = Object { bytes, generation: self.count, written: Timestamp::now() };
        let told = Told::new(200)
            .with("etag", format!("\"g{}\"", self.count))
            .with("x-goog-generation", self.count)
            .with("x-goog-hash", format!("crc32c={}", crc32c(&object.bytes)));
        self.objects.insert(key, object);
        told
    }

    /// Whether a condition on the generation holds.
    fn holds(&self, asked: &Asked, key: &str) -> bool {
        let there = self.objects.get(key).map_or(0, |object| object.generation);
        let wanted = asked.header("x-goog-if-generation-match");
        wanted.is_empty() || wanted == there.to_string()
    }

    fn parts(&mut self, asked: &Asked, key: String) -> Told {
        let id = asked.query("uploadId").unwrap_or_default().to_owned();
        if asked.query("uploads").is_some() {
            self.count += 1;
            let id = format!("upload-{}", self.count);
            let told = format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            self.uploads.insert(id, Upload { key, parts: BTreeMap::new() });
            return Told::new(200).body(told);
        }
        let Some(upload) = self.uploads.get_mut(&id).filter(|upload| upload.key == key) else {
            return self.refuse(404, "NoSuchUpload");
        };
        match asked.method.as_str() {
            "PUT" => {
                let number = asked.query("partNumber").unwrap().parse().unwrap();
                let tag = format!("\"{}\"", hex(&Sha256::digest(&asked.body)[..16]));
                upload.parts.insert(number, (tag.clone(), asked.body.clone()));
                Told::new(200)
                    .with("etag", tag)
                    .with("x-goog-hash", format!("crc32c={}", crc32c(&asked.body)))
            }
            "GET" => Told::new(200).body("<ListPartsResult/>"),
            "DELETE" => {
                self.uploads.remove(&id);
                Told::new(204)
            }
            _ => {
                let text = String::from_utf8(asked.body.clone()).unwrap().replace("&quot;", "\"");
                let named: Vec<_> = text.split("<Part>").skip(1).collect();
                let (mut whole, mut last) = (Vec::new(), 0);
                let count = named.len();
                for (i, part) in named.iter().enumerate() {
                    let inner = |name: &str| {
                        part.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap()
                    };
                    let number: u32 = inner("PartNumber").parse().unwrap();
                    let Some((tag, bytes)) = upload.parts.get(&number) else {
                        return self.refuse(400, "InvalidPart");
                    };
                    if *tag != inner("ETag") || number <= last {
                        return self.refuse(400, "InvalidPart");
                    }
                    if i + 1 < count && bytes.len() < 5 << 20 {
                        return self.refuse(400, "EntityTooSmall");
                    }
                    last = number;
                    whole.extend_from_slice(bytes);
                }
                let told = self.write(key, whole);
                if told.status == 200 {
                    self.uploads.remove(&id);
                    let tag = "<CompleteMultipartUploadResult><ETag>\"c-1\"</ETag></CompleteMultipartUploadResult>";
                    return Told { body: tag.into(), ..told };
                }
                told
            }
        }
    }

    fn get(&self, asked: &Asked, key: &str) -> Told {
        let Some(object) = self.objects.get(key) else { return self.refuse(404, "NoSuchKey") };
        let tag = format!("\"g{}\"", object.generation);
        let wanted = asked.header("if-match");
        if !wanted.is_empty() && wanted != tag {
            return self.refuse(412, "PreconditionFailed");
        }
        let length = object.bytes.len();
        let told = |status| {
            Told::new(status)
                .with("etag", &tag)
                .with("x-goog-generation", object.generation)
                .with("x-goog-hash", format!("crc32c={}", crc32c(&object.bytes)))
        };
        let Some(range) = asked.header("range").strip_prefix("bytes=") else {
            return match asked.method.as_str() {
                "HEAD" => told(200).with("content-length", length),
                _ => told(200).body(object.bytes.clone()),
            };
        };
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        if first >= length {
            return self.refuse(416, "InvalidRange");
        }
        let last = last.min(length - 1);
        told(206)
            .with("content-range", format!("bytes {first}-{last}/{length}"))
            .body(&object.bytes[first..=last])
    }

    fn list(&self, asked: &Asked) -> Told {
        let prefix = asked.query("prefix").unwrap_or_default();
        if asked.query("uploads").is_some() {
            let each = self.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
            let each: String = each
                .map(|(id, upload)| {
                    format!(
                        "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>",
                        encode(&upload.key)
                    )
                })
                .collect();
            return Told::new(200).body(format!(
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{each}</ListMultipartUploadsResult>"
            ));
        }
        let after = asked.query("continuation-token").unwrap_or_default();
        let most = asked.query("max-keys").map_or(self.page, |n| n.parse().unwrap());
        let matching: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .collect();
        let shown = &matching[..matching.len().min(most)];
        let more = matching.len() > shown.len();
        let encoded = asked.query("encoding-type") == Some("url");
        let each = shown.iter().map(|(key, object)| {
            let key = if encoded { encode(key) } else { (*key).clone() };
            format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>{}</LastModified></Contents>",
                object.bytes.len(),
                object.written.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
            )
        });
        let each: String = each.collect();
        let encoding = if encoded { "<EncodingType>url</EncodingType>" } else { "" };
        let next = shown.last().filter(|_| more).map(|(key, _)| {
            format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                key.replace('&', "&amp;").replace('<', "&lt;")
            )
        });
        Told::new(200).body(format!(
            "<ListBucketResult><IsTruncated>{more}</IsTruncated>{encoding}{}{each}</ListBucketResult>",
            next.unwrap_or_default()
        ))
    }
}

impl Service for Bucket {
    fn kind(&self, asked: &Asked) -> &'static str {
        let parts = asked.query("uploadId").is_some();
        match (asked.method.as_str(), asked.path.as_str(), asked.query("uploads").is_some()) {
            (_, "/token", _) => "token",
            (_, path, _) if path.starts_with("/computeMetadata/") => "metadata",
            ("POST", _, true) => "initiate",
            ("POST", ..) => "complete",
            ("PUT", ..) if parts => "part",
            ("DELETE", ..) if parts => "abort",
            ("GET", ..) if parts => "list-parts",
            ("PUT", ..) => "put",
            ("HEAD", ..) => "head",
            ("DELETE", ..) => "delete",
            ("GET", "/vault/" | "/vault", _) => "list",
            _ => "get",
        }
    }

    fn answer(&mut self, asked: &Asked) -> Told {
        match self.kind(asked) {
            "token" => return self.token(asked),
            "metadata" => {
                return match asked.header("metadata-flavor") {
                    "Google" => self.give().with("metadata-flavor", "Google"),
                    _ => Told::new(403),
                };
            }
            _ => {}
        }
        if let Err(told) = self.guard(asked) {
            return told;
        }
        let key = asked.key("/vault");
        if !self.holds(asked, &key) {
            return self.refuse(412, "PreconditionFailed");
        }
        let parts =
            asked.query("uploadId").is_some() || (asked.method == "POST" && !key.is_empty());
        match (asked.method.as_str(), key.as_str()) {
            ("GET", "") if asked.query("versioning").is_some() => {
                Told::new(200).body("<VersioningConfiguration/>")
            }
            ("GET", "") => self.list(asked),
            ("HEAD", "") => Told::new(200),
            _ if parts => self.parts(asked, key),
            ("PUT", _) => self.write(key, asked.body.clone()),
            ("GET" | "HEAD", _) => self.get(asked, &key),
            ("DELETE", _) => match self.objects.remove(&key) {
                Some(_) => Told::new(204),
                None => self.refuse(404, "NoSuchKey"),
            },
            _ => self.refuse(405, "MethodNotAllowed"),
        }
    }

    fn refuse(&self, status: u16, code: &str) -> Told {
        Told::new(status).with("content-type", "application/xml").body(format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>a fault of the test</Message></Error>"
        ))
    }
}
