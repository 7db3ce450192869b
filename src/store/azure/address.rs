//! The addresses of a container and its blobs.
//!
//! Does not know the wire. Invariant: a path is encoded once, here; what is signed is what is asked.

use s3::signing::uri_encode;
use url::Url;

use crate::job::AzureSpec;

/// Where a container is.
#[derive(Debug, Clone)]
pub struct Address {
    /// Whether bytes travel unprotected.
    pub is_plain: bool,
    /// The host, with the port if it is not the scheme's.
    pub host: String,
    /// The path of the container.
    path: String,
}

impl Address {
    /// The address of the container; an error says what is wrong with it.
    pub fn new(spec: &AzureSpec) -> Result<Address, String> {
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if spec.account.is_empty() || !spec.account.chars().all(name) {
            let account = &spec.account;
            return Err(format!("{account:?} is no name of a storage account: a-z and 0-9"));
        }
        let container = &spec.container;
        let long_enough = (3..=63).contains(&container.len());
        if !long_enough || !container.trim_start_matches('$').chars().all(|c| name(c) || c == '-') {
            return Err(format!(
                "{container:?} is no name of a container: 3 to 63 of a-z, 0-9 and -"
            ));
        }
        let endpoint = spec.endpoint.clone();
        let endpoint =
            endpoint.unwrap_or_else(|| format!("https://{}.blob.core.windows.net", spec.account));
        // Not repeated in the error: it may hold a signature.
        let url = Url::parse(&endpoint).map_err(|e| format!("the endpoint is no address: {e}"))?;
        let is_plain = match url.scheme() {
            "https" => false,
            "http" => true,
            other => {
                return Err(format!("an endpoint begins with https:// or http://, not {other}://"));
            }
        };
        let login = !url.username().is_empty() || url.password().is_some();
        if login || url.query().is_some() || url.fragment().is_some() {
            return Err("the endpoint holds more than scheme, host, port and path".into());
        }
        let host = url.host_str().ok_or("the endpoint has no host")?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = format!("{}/{}", url.path().trim_end_matches('/'), uri_encode(container, true));
        Ok(Address { is_plain, host, path })
    }

    /// The address of a blob, or of the container, with a query.
    pub fn url(&self, key: Option<&str>, query: &[(&'static str, String)]) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        let mut url = format!("{scheme}://{}{}", self.host, self.path);
        if let Some(key) = key {
            url.push_str(&format!("/{}", uri_encode(key, false)));
        }
        for (i, (name, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", uri_encode(value, true)));
        }
        url
    }
}

/// Whether the service can name the blob so that the address keeps its form.
pub fn is_key(key: &str) -> bool {
    let odd = |part: &str| part.is_empty() || part.ends_with('.');
    !key.is_empty() && key.len() <= 1024 && !key.contains('\\') && !key.split('/').any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(endpoint: Option<&str>, container: &str) -> AzureSpec {
        AzureSpec {
            account: "vault9".into(),
            container: container.into(),
            endpoint: endpoint.map(str::to_owned),
            account_key: None,
            sas: None,
            ca: None,
            tier: None,
        }
    }

    #[test]
    fn addresses_are_those_of_the_account_or_of_an_emulator() {
        let query = [("comp", "list".to_owned()), ("prefix", "a b/".to_owned())];
        for (endpoint, base) in [
            (None, "https://vault9.blob.core.windows.net/box"),
            (Some("http://127.0.0.1:10000/vault9/"), "http://127.0.0.1:10000/vault9/box"),
        ] {
            let address = Address::new(&spec(endpoint, "box")).expect("an address");
            assert_eq!(address.url(None, &query), format!("{base}?comp=list&prefix=a%20b%2F"));
            assert_eq!(address.url(Some("a b/ü+"), &[]), format!("{base}/a%20b/%C3%BC%2B"));
        }
        assert_eq!(Address::new(&spec(None, "$root")).map(|a| a.path), Ok("/%24root".into()));
    }

    #[test]
    fn an_endpoint_with_a_signature_is_refused_and_not_repeated() {
        for bad in ["ftp://h", "https://u:CANARY-9@h", "CANARY-9", "https://h/?sig=CANARY-9"] {
            let found = Address::new(&spec(Some(bad), "box")).expect_err("refused");
            assert!(!found.contains("CANARY"), "{found}");
        }
        for bad in ["", "ab", "Box", "a/b", "a_b"] {
            assert!(Address::new(&spec(None, bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_keeps_its_form_in_an_address() {
        for good in ["a", "a/b.zip", ".begun/..x"] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", "a/.", "a\\b", "a."] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
