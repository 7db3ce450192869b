//! A container of Azure Blob Storage that checks signatures, digests and conditions.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::hmac;
use tempfile::TempDir;
use vex::testing::base::SecretRef;
use vex::testing::job::AzureSpec;

use super::http::{Asked, Http, Service, Told};

/// An account of a test; the key is an obvious fake.
pub const ACCOUNT: &str = "vexvault";
const KEY: &[u8] = b"CANARY-AZURE-KEY";

struct Blob {
    bytes: Vec<u8>,
    /// The names of its blocks; none where it was written whole.
    blocks: Vec<String>,
    tag: u64,
    written: Timestamp,
}

/// What the service keeps.
pub struct Container {
    page: usize,
    blobs: BTreeMap<String, Blob>,
    /// Blocks that nobody committed, by blob and name.
    pending: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Signature that is taken instead of one by the key.
    sas: Option<String>,
    /// Names that nobody may remove.
    pub held: Vec<String>,
    /// Whether it takes no notice of conditions.
    pub is_deaf: bool,
    tags: u64,
}

/// A running service.
pub struct AzureServer {
    pub http: Http<Container>,
    pub key_file: PathBuf,
    pub sas_file: PathBuf,
    _folder: TempDir,
}

impl AzureServer {
    /// With pages of `page`.
    pub fn start(page: usize) -> AzureServer {
        let folder = tempfile::tempdir().unwrap();
        let (key_file, sas_file) = (folder.path().join("key"), folder.path().join("sas"));
        let sas = "sv=2021-08-06&se=2126-01-02T03%3A04%3A05Z&sp=racwdl&sig=CANARY%2FSAS%3D";
        for (path, text) in [(&key_file, BASE64_STANDARD.encode(KEY)), (&sas_file, sas.into())] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let container = Container {
            page,
            blobs: BTreeMap::new(),
            pending: BTreeMap::new(),
            sas: Some("CANARY/SAS=".into()),
            held: Vec::new(),
            is_deaf: false,
            tags: 0,
        };
        AzureServer { http: Http::start(container), key_file, sas_file, _folder: folder }
    }

    /// `http://…/account`, as an emulator has it.
    pub fn endpoint(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.http.address)
    }

    /// A spec that reaches it by the key.
    pub fn spec(&self) -> AzureSpec {
        AzureSpec {
            account: ACCOUNT.into(),
            container: "box".into(),
            endpoint: Some(self.endpoint()),
            account_key: Some(SecretRef::File(self.key_file.clone())),
            sas: None,
            ca: None,
            tier: None,
        }
    }

    /// The names of blobs.
    pub fn names(&self) -> Vec<String> {
        self.http.service.lock().unwrap().blobs.keys().cloned().collect()
    }
}

/// The signature that a request must have.
fn signature(asked: &Asked) -> String {
    let length = asked.header("content-length");
    let mut lines = vec![asked.method.clone()];
    let standard = ["content-encoding", "content-language"].map(|n| asked.header(n).to_owned());
    lines.extend(standard);
    lines.push(if length == "0" { String::new() } else { length.to_owned() });
    let rest = [
        "content-md5",
        "content-type",
        "date",
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
    ];
    lines.extend(rest.map(|name| asked.header(name).to_owned()));
    let own = asked.headers.iter().filter(|(name, _)| name.starts_with("x-ms-"));
    lines.extend(own.map(|(name, value)| format!("{name}:{value}")));
    lines.push(format!("/{ACCOUNT}{}", asked.path));
    lines.extend(asked.query.iter().map(|(name, value)| format!("{name}:{value}")));
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
    BASE64_STANDARD.encode(hmac::sign(&key, lines.join("\n").as_bytes()))
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest;
    BASE64_STANDARD.encode(md5::Md5::digest(bytes))
}

impl Container {
    /// Why a request is not let in.
    fn guard(&self, asked: &Asked) -> Result<(), Told> {
        let refused = |status, code| Err(self.refuse(status, code));
        if asked.header("x-ms-version").is_empty() {
            return refused(400, "MissingRequiredHeader");
        }
        match (asked.query("sig"), asked.header("authorization")) {
            (Some(sig), "") if Some(sig) == self.sas.as_deref() => {}
            (None, header)
                if header == format!("SharedKey {ACCOUNT}:{}", signature(asked))
                    && !asked.header("x-ms-date").is_empty() => {}
            _ => return refused(403, "AuthenticationFailed"),
        }
        let told = asked.header("content-md5");
        if !told.is_empty() && told != md5(&asked.body) {
            return refused(400, "Md5Mismatch");
        }
        let base = format!("/{ACCOUNT}/box");
        match asked.path == base || asked.path.starts_with(&format!("{base}/")) {
            true => Ok(()),
            false => refused(404, "ContainerNotFound"),
        }
    }

    fn write(&mut self, asked: &Asked, key: String, bytes: Vec<u8>, blocks: Vec<String>) -> Told {
        let taken = asked.header("if-none-match") == "*" && self.blobs.contains_key(&key);
        if taken && !self.is_deaf {
            return self.refuse(409, "BlobAlreadyExists");
        }
        self.tags += 1;
        // What was not committed goes with the first commit.
        self.pending.remove(&key);
        let blob = Blob { bytes, blocks, tag: self.tags, written: Timestamp::now() };
        self.blobs.insert(key, blob);
        Told::new(201).with("etag", format!("\"0x{:X}\"", self.tags))
    }

    fn put(&mut self, asked: &Asked, key: String) -> Told {
        match asked.query("comp") {
            Some("block") => {
                let id = asked.query("blockid").unwrap_or_default().to_owned();
                let raw = BASE64_STANDARD.decode(&id).unwrap_or_default();
                let others = self.pending.entry(key).or_default();
                let odd = others.keys().any(|other| other.len() != id.len());
                if raw.is_empty() || raw.len() > 64 || odd || asked.body.is_empty() {
                    return self.refuse(400, "InvalidBlobOrBlock");
                }
                others.insert(id, asked.body.clone());
                Told::new(201).with("content-md5", md5(&asked.body))
            }
            Some("blocklist") => {
                let text = String::from_utf8(asked.body.clone()).unwrap();
                let ids: Vec<String> = text
                    .split("<Uncommitted>")
                    .skip(1)
                    .map(|rest| rest.split('<').next().unwrap().to_owned())
                    .collect();
                let none = BTreeMap::new();
                let pending = self.pending.get(&key).unwrap_or(&none);
                let Some(parts) =
                    ids.iter().map(|id| pending.get(id).cloned()).collect::<Option<Vec<_>>>()
                else {
                    let taken =
                        asked.header("if-none-match") == "*" && self.blobs.contains_key(&key);
                    return match taken {
                        true => self.refuse(409, "BlobAlreadyExists"),
                        false => self.refuse(400, "InvalidBlockList"),
                    };
                };
                self.write(asked, key, parts.concat(), ids)
            }
            None if asked.header("x-ms-blob-type") == "BlockBlob" => {
                self.write(asked, key, asked.body.clone(), Vec::new())
            }
            _ => self.refuse(400, "MissingRequiredHeader"),
        }
    }

    fn get(&self, asked: &Asked, key: &str) -> Told {
        let Some(blob) = self.blobs.get(key) else { return self.refuse(404, "BlobNotFound") };
        if asked.query("comp") == Some("blocklist") {
            let each = blob
                .blocks
                .iter()
                .map(|id| format!("<Block><Name>{id}</Name><Size>1</Size></Block>"));
            let list: String = each.collect();
            return Told::new(200).body(format!(
                "<?xml version=\"1.0\"?><BlockList><CommittedBlocks>{list}</CommittedBlocks></BlockList>"
            ));
        }
        let tag = format!("\"0x{:X}\"", blob.tag);
        let wanted = asked.header("if-match");
        if !wanted.is_empty() && wanted != tag {
            return self.refuse(412, "ConditionNotMet");
        }
        let length = blob.bytes.len();
        let told =
            |status| Told::new(status).with("etag", &tag).with("x-ms-blob-type", "BlockBlob");
        let Some(range) = asked.header("range").strip_prefix("bytes=") else {
            let told = told(200).with("content-type", "application/octet-stream");
            return match asked.method.as_str() {
                "HEAD" => told.with("content-length", length),
                _ => told.body(blob.bytes.clone()),
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
            .body(&blob.bytes[first..=last])
    }

    /// Pages as the service makes them: one may be empty and have a next one.
    fn list(&self, asked: &Asked) -> Told {
        let prefix = asked.query("prefix").unwrap_or_default();
        let marker = asked.query("marker").unwrap_or_default();
        let fresh = marker.is_empty() && self.page < 10;
        let after = marker.strip_prefix("2!").unwrap_or_default();
        let matching: Vec<_> = self
            .blobs
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .collect();
        let shown = if fresh { &[][..] } else { &matching[..matching.len().min(self.page)] };
        let next = match shown.last() {
            _ if fresh => "2!".to_owned(),
            Some((key, _)) if matching.len() > shown.len() => format!("2!{}", escape(key)),
            _ => String::new(),
        };
        let each = shown.iter().map(|(key, blob)| {
            format!(
                "<Blob><Name>{}</Name><Properties><Last-Modified>{}</Last-Modified>\
                 <Content-Length>{}</Content-Length></Properties></Blob>",
                escape(key),
                blob.written.strftime("%a, %d %b %Y %H:%M:%S GMT"),
                blob.bytes.len()
            )
        });
        let each: String = each.collect();
        Told::new(200).with("content-type", "application/xml").body(format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>{each}</Blobs>\
             <NextMarker>{next}</NextMarker></EnumerationResults>"
        ))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Service for Container {
    fn kind(&self, asked: &Asked) -> &'static str {
        match (asked.method.as_str(), asked.query("comp")) {
            ("PUT", Some("block")) => "block",
            ("PUT", Some("blocklist")) => "commit",
            ("GET", Some("blocklist")) => "blocks",
            ("GET", Some("list")) => "list",
            ("PUT", _) => "put",
            ("GET", _) => "get",
            ("HEAD", _) => "head",
            _ => "delete",
        }
    }

    fn answer(&mut self, asked: &Asked) -> Told {
        if let Err(told) = self.guard(asked) {
            return told;
        }
        let key = asked.key(&format!("/{ACCOUNT}/box"));
        match (asked.method.as_str(), asked.query("restype"), key.as_str()) {
            ("GET", Some("container"), "") if asked.query("comp") == Some("list") => {
                self.list(asked)
            }
            ("GET" | "HEAD", Some("container"), "") => {
                Told::new(200).with("x-ms-has-immutability-policy", !self.held.is_empty())
            }
            (_, _, "") => self.refuse(400, "InvalidUri"),
            ("PUT", ..) => self.put(asked, key),
            ("GET" | "HEAD", ..) => self.get(asked, &key),
            ("DELETE", ..) if self.held.contains(&key) => {
                self.refuse(409, "BlobImmutableDueToPolicy")
            }
            ("DELETE", ..) => match self.blobs.remove(&key) {
                Some(_) => Told::new(202),
                None => self.refuse(404, "BlobNotFound"),
            },
            _ => self.refuse(405, "UnsupportedHttpVerb"),
        }
    }

    fn refuse(&self, status: u16, code: &str) -> Told {
        Told::new(status)
            .with("x-ms-error-code", code)
            .with("content-type", "application/xml")
            .body(format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code>\
                 <Message>a fault of the test</Message></Error>"
            ))
    }
}
