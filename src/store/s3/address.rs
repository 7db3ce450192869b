//! The addresses of a bucket and its objects.
//!
//! Does not know the wire. Invariant: the address that is signed is the address that is asked: both
//! are made here, encoded once, the way the signer encodes.

use s3::signing::uri_encode;
use url::Url;

use crate::job::S3Spec;

/// Where a bucket is.
#[derive(Debug, Clone)]
pub struct Address {
    /// `https` or `http`.
    scheme: &'static str,
    /// The host, with the port if it is not the scheme's.
    host: String,
    /// What every path begins with.
    path: String,
}

impl Address {
    /// The address of the bucket; an error says what is wrong with it.
    pub fn new(spec: &S3Spec) -> Result<Address, String> {
        let endpoint = match &spec.endpoint {
            Some(endpoint) => endpoint.clone(),
            None if spec.region.starts_with("cn-") => {
                format!("https://s3.{}.amazonaws.com.cn", spec.region)
            }
            None => format!("https://s3.{}.amazonaws.com", spec.region),
        };
        Address::at(&endpoint, &spec.bucket, spec.path_style)
    }

    /// The address of a bucket at a service.
    pub fn at(endpoint: &str, bucket: &str, path_style: bool) -> Result<Address, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(format!("{bucket:?} is no name of a bucket"));
        }
        // Not repeated in the error: it may hold a password.
        let url = Url::parse(endpoint).map_err(|e| format!("the endpoint is no address: {e}"))?;
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            other => {
                return Err(format!("an endpoint begins with https:// or http://, not {other}://"));
            }
        };
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err("the endpoint holds more than scheme, host, port and path".into());
        }
        let host = url.host_str().ok_or("the endpoint has no host")?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let base = url.path().trim_end_matches('/');
        Ok(match path_style {
            true => Address { scheme, host, path: format!("{base}/{}", uri_encode(bucket, true)) },
            false => Address { scheme, host: format!("{bucket}.{host}"), path: base.to_owned() },
        })
    }

    /// The address of an object, or of the bucket, with a query.
    pub fn url(&self, key: Option<&str>, query: &[(&'static str, String)]) -> String {
        let key = key.map_or_else(String::new, |k| uri_encode(k, false));
        let mut url = format!("{}://{}{}/{key}", self.scheme, self.host, self.path);
        for (i, (name, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", uri_encode(value, true)));
        }
        url
    }

    /// The host as the `Host` header has it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether bytes travel unprotected.
    pub fn is_plain(&self) -> bool {
        self.scheme == "http"
    }
}

/// Whether S3 can name the object so that the address keeps its form.
pub fn is_key(key: &str) -> bool {
    let climbs = |part: &str| matches!(part, "." | "..");
    !key.is_empty() && key.len() <= 1024 && !key.starts_with('/') && !key.split('/').any(climbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(endpoint: Option<&str>, path_style: bool) -> S3Spec {
        S3Spec {
            bucket: "vault".into(),
            region: "eu-west-1".into(),
            endpoint: endpoint.map(str::to_owned),
            path_style,
            access_key: None,
            secret_key: None,
            session_token: None,
            profile: None,
            ca: None,
            storage_class: None,
            sse: None,
            kms_key: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn addresses_have_either_style_and_encode_every_key_once() {
        let query = [("prefix", "a b/".to_owned())];
        let table = [
            (None, false, "https://vault.s3.eu-west-1.amazonaws.com/a%20b/%C3%BC%2B%26%3D%25~.zip"),
            (None, true, "https://s3.eu-west-1.amazonaws.com/vault/a%20b/%C3%BC%2B%26%3D%25~.zip"),
            (
                Some("http://nas:9000/s3/"),
                true,
                "http://nas:9000/s3/vault/a%20b/%C3%BC%2B%26%3D%25~.zip",
            ),
            (Some("https://minio:443"), false, "https://vault.minio/a%20b/%C3%BC%2B%26%3D%25~.zip"),
        ];
        for (endpoint, path_style, url) in table {
            let address = Address::new(&spec(endpoint, path_style)).expect("an address");
            assert_eq!(address.url(Some("a b/ü+&=%~.zip"), &[]), url);
            // What the signer reads from the address is what was encoded.
            let parsed = Url::parse(url).expect("an address");
            assert_eq!(s3::signing::canonical_uri_string(&parsed), parsed.path());
        }
        let address = Address::new(&spec(None, false)).expect("an address");
        assert_eq!(
            address.url(None, &query),
            "https://vault.s3.eu-west-1.amazonaws.com/?prefix=a%20b%2F"
        );
    }

    #[test]
    fn an_endpoint_with_a_password_is_refused_and_not_repeated() {
        for bad in ["ftp://h", "https://u:CANARY-9@h", "nonsense CANARY-9", "https://h/?x=CANARY-9"]
        {
            let found = Address::new(&spec(Some(bad), true)).expect_err("refused");
            assert!(!found.contains("CANARY"), "{found}");
        }
    }
}
