//! What stands between a request and the pages: which host was asked, where a change comes from,
//! and the header fields that every response carries.
//!
//! Does not know sessions, routes or sockets. A name that is not ours is answered 421, so that
//! nobody can lead a browser here under a name of theirs. A change is made only from a page of our
//! own. No response leaves without the fields below, a refusal neither.

use std::net::{IpAddr, SocketAddr};

use crate::web::exchange::{Handler, Keep, Method, Request, Response};

/// What a page may load, and who may show it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self'";

/// Knows which hosts are ours.
#[derive(Debug, Clone)]
pub struct Guard {
    listen: IpAddr,
    hosts: Vec<String>,
}

impl Guard {
    /// Ours are the loopback names, the address that is listened on, and what is given: a name,
    /// with a port where only that port will do.
    pub fn new(listen: SocketAddr, hosts: &[String]) -> Guard {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Guard { listen: listen.ip().to_canonical(), hosts }
    }

    /// The answer to a request: a refusal, or what the pages say.
    pub fn answer(&self, request: &Request, pages: &dyn Handler) -> Response {
        let response = self.refusal(request).unwrap_or_else(|| pages.answer(request));
        protect(&request.host, request.secure, response)
    }

    /// Why a request does not reach the pages.
    fn refusal(&self, request: &Request) -> Option<Response> {
        if !self.is_ours(&request.host) {
            return Some(Response::plain(421));
        }
        match request.method {
            Method::Get => None,
            Method::Post if !is_from_here(request) => Some(Response::forbidden()),
            Method::Post if request.body().is_empty() || request.has_form() => None,
            Method::Post => Some(Response::plain(415)),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let Some((name, _)) = split(&host) else { return false };
        if let Ok(address) = name.parse::<IpAddr>() {
            let address = address.to_canonical();
            // No name leads there, so any address will do where all are listened on.
            if address.is_loopback() || self.listen.is_unspecified() || address == self.listen {
                return true;
            }
        }
        name == "localhost" || self.hosts.iter().any(|own| *own == host || *own == name)
    }
}

/// Whether a change was sent by a page of the host that was asked.
///
/// `Sec-Fetch-Site` decides where the browser sends it: to TLS and to the loopback. `Origin` is
/// `null` there, as the pages send no referrer.
fn is_from_here(request: &Request) -> bool {
    if let Some(site) = request.header("sec-fetch-site") {
        return site == "same-origin";
    }
    let scheme = if request.secure { "https" } else { "http" };
    let own = format!("{scheme}://{}", request.host);
    request.header("origin").is_some_and(|origin| origin.eq_ignore_ascii_case(&own))
}

/// Adds what every response of a host carries.
pub fn protect(host: &str, secure: bool, response: Response) -> Response {
    let local = is_loopback(host);
    let keep = match response.keep {
        Keep::Nothing => "no-store",
        Keep::Always => "public, max-age=31536000, immutable",
    };
    // Where no `Sec-Fetch-Site` is sent, `no-referrer` would take the origin away from our own
    // forms as well.
    let referrer = if secure || local { "no-referrer" } else { "same-origin" };
    let response = response
        .with("content-security-policy", CONTENT_SECURITY_POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", referrer)
        .with("x-frame-options", "DENY")
        .with("cross-origin-resource-policy", "same-origin")
        .with("cache-control", keep);
    // Never for the loopback: it would bind every other server of the machine as well.
    if secure && !local {
        return response.with("strict-transport-security", "max-age=31536000");
    }
    response
}

fn is_loopback(host: &str) -> bool {
    split(host).is_some_and(|(name, _)| {
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|a| a.to_canonical().is_loopback())
    })
}

/// The name and the port of a host; an IPv6 address without its brackets.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    (!name.is_empty()).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(listen: &str, hosts: &[&str]) -> Guard {
        let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
        Guard::new(listen.parse().unwrap(), &hosts)
    }

    fn pages(_: &Request) -> Response {
        Response::text("here".to_owned())
    }

    #[test]
    fn only_our_own_names_are_answered() {
        const HOSTS: [(&str, &str, u16); 24] = [
            ("127.0.0.1:8787", "127.0.0.1:8787", 200),
            ("127.0.0.1:8787", "LOCALHOST:1", 200),
            ("127.0.0.1:8787", "localhost", 200),
            ("127.0.0.1:8787", "[::1]:8787", 200),
            ("127.0.0.1:8787", "backup.example", 200),
            ("127.0.0.1:8787", "BACKUP.example:8787", 200),
            ("127.0.0.1:8787", "ported.example:8443", 200),
            ("127.0.0.1:8787", "ported.example", 421),
            ("127.0.0.1:8787", "ported.example:8444", 421),
            ("127.0.0.1:8787", "evil.example", 421),
            ("127.0.0.1:8787", "evil.example:8787", 421),
            ("127.0.0.1:8787", "localhost.evil.example", 421),
            ("127.0.0.1:8787", "localhost:x", 421),
            ("127.0.0.1:8787", "localhost:99999", 421),
            ("127.0.0.1:8787", "localhost:1:2", 421),
            ("127.0.0.1:8787", "[::1", 421),
            ("127.0.0.1:8787", "[::1]x", 421),
            ("127.0.0.1:8787", "", 421),
            ("127.0.0.1:8787", ":8787", 421),
            ("127.0.0.1:8787", "192.0.2.1", 421),
            ("192.0.2.1:80", "192.0.2.1", 200),
            ("192.0.2.1:80", "192.0.2.2", 421),
            ("0.0.0.0:80", "192.0.2.2:80", 200),
            ("0.0.0.0:80", "evil.example", 421),
        ];
        for (listen, host, status) in HOSTS {
            let request = Request::new(Method::Get, "/").unwrap().with_header("Host", host);
            let guard = guard(listen, &["Backup.example", "ported.example:8443"]);
            assert_eq!(guard.answer(&request, &pages).status, status, "{host} at {listen}");
        }
    }

    #[test]
    fn a_change_comes_from_a_page_of_our_own() {
        const FROM: [(&[(&str, &str)], u16); 15] = [
            (&[], 403),
            (&[("sec-fetch-site", "same-origin")], 200),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], 200),
            (&[("sec-fetch-site", "same-site")], 403),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8787")], 403),
            (&[("sec-fetch-site", "none")], 403),
            (&[("sec-fetch-site", "")], 403),
            (&[("origin", "http://localhost:8787")], 200),
            (&[("origin", "http://LOCALHOST:8787")], 200),
            (&[("origin", "https://localhost:8787")], 403),
            (&[("origin", "http://localhost")], 403),
            (&[("origin", "http://localhost:8787.evil.example")], 403),
            (&[("origin", "http://evil.example")], 403),
            (&[("origin", "null")], 403),
            (&[("origin", "")], 403),
        ];
        for (fields, status) in FROM {
            let request = Request::new(Method::Post, "/").unwrap();
            let mut request = request.with_header("host", "localhost:8787");
            for (name, value) in fields {
                request = request.with_header(name, value);
            }
            let guard = guard("127.0.0.1:8787", &[]);
            assert_eq!(guard.answer(&request, &pages).status, status, "{fields:?}");
        }
    }

    #[test]
    fn a_body_is_a_form() {
        const BODIES: [(&str, &str, u16); 6] = [
            ("", "", 200),
            ("application/x-www-form-urlencoded", "a=1", 200),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=1", 200),
            ("application/x-www-form-urlencoded", "a=%ff", 415),
            ("text/plain", "a=1", 415),
            ("", "a=1", 415),
        ];
        for (kind, body, status) in BODIES {
            let request = Request::new(Method::Post, "/").unwrap();
            let request = request.with_header("host", "localhost");
            let request = request.with_header("sec-fetch-site", "same-origin");
            let request = request.with_header("content-type", kind).with_body(body.into());
            let guard = guard("127.0.0.1:8787", &[]);
            assert_eq!(guard.answer(&request, &pages).status, status, "{kind}: {body}");
        }
    }

    #[test]
    fn every_response_is_protected() {
        let shown = |request: &Request, pages: &dyn Handler| {
            let response = guard("127.0.0.1:8787", &["backup.example"]).answer(request, pages);
            response.headers().map(|(n, v)| format!("{n}: {v}")).collect::<Vec<_>>().join("\n")
        };
        let rest = "content-security-policy: default-src 'none'; script-src 'self'; \
            style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
            base-uri 'none'; form-action 'self'\n\
            x-content-type-options: nosniff\nreferrer-policy: no-referrer\nx-frame-options: DENY\n\
            cross-origin-resource-policy: same-origin\n";
        let get = |host: &str| Request::new(Method::Get, "/").unwrap().with_header("host", host);
        let secure = |host: &str| {
            let mut request = get(host);
            request.secure = true;
            request
        };
        let plain = "content-type: text/plain; charset=utf-8\n";
        let stored = format!("{plain}{rest}cache-control: no-store");
        assert_eq!(shown(&get("localhost"), &pages), stored);
        assert_eq!(shown(&secure("localhost"), &pages), stored);
        let strict = format!("{stored}\nstrict-transport-security: max-age=31536000");
        assert_eq!(shown(&secure("backup.example"), &pages), strict);
        let clear = stored.replace("no-referrer", "same-origin");
        assert_eq!(shown(&get("backup.example"), &pages), clear);
        assert_eq!(shown(&get("evil.example"), &pages), clear);
        let asset = |_: &Request| Response::asset("text/css", b"");
        assert_eq!(
            shown(&get("localhost"), &asset),
            format!(
                "content-type: text/css\n{rest}cache-control: public, max-age=31536000, immutable"
            )
        );
    }
}
