//! Keys of the role of an instance, by its metadata service (IMDSv2: a session first).
//!
//! Does not know buckets. Machines that are no instances are not asked, unless the environment
//! names the service.

use http::Request;
use jiff::Timestamp;
use serde::Deserialize;

use crate::base::{Secret, Stop};
use crate::store::contract::ErrorKind;
use crate::store::s3::keys::Keys;
use crate::store::wire::fetch::{Fetched, fetch, is_passing};
use crate::store::wire::key::variable;
use crate::store::wire::refusal::Refusal;
use crate::world::Agents;

/// What names the service.
const SERVICE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// Where the keys of roles are.
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lent {
    code: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: Timestamp,
}

/// Whether there is such a service, as far as can be known without asking.
pub fn is_there() -> bool {
    let off = variable("AWS_EC2_METADATA_DISABLED");
    if off.is_some_and(|off| off.eq_ignore_ascii_case("true")) {
        return false;
    }
    let begins = |path: &str, with: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.trim_start().starts_with(with))
    };
    variable(SERVICE).is_some()
        || begins("/sys/hypervisor/uuid", "ec2")
        || begins("/sys/class/dmi/id/board_vendor", "Amazon EC2")
}

/// The keys of the role of this instance.
pub fn ask(agents: &Agents, stop: &Stop) -> Result<Keys, Refusal> {
    let service = variable(SERVICE).unwrap_or_else(|| "http://169.254.169.254".into());
    let service = service.trim_end_matches('/').to_owned();
    let asked = || format!("ask the metadata service at {service}");
    let get =
        |request: http::request::Builder| {
            let request = request.body(String::new()).map_err(|_| {
                Refusal::new(ErrorKind::Failed, "the address has no form").before(&asked())
            })?;
            let Fetched { status, text } =
                fetch(agents, request, stop).map_err(|e| e.before(&asked()))?;
            match status {
                200 => Ok(text),
                404 => Err(Refusal::new(ErrorKind::Denied, "404: the instance has no role")
                    .before(&asked())),
                status => {
                    let passing = is_passing(status);
                    let kind = if passing { ErrorKind::Unreachable } else { ErrorKind::Denied };
                    let found = format!("it answered with status {status}");
                    Err(Refusal::new(kind, found).passing(passing).before(&asked()))
                }
            }
        };
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let session = get(Request::put(format!("{service}/latest/api/token")).header(ttl.0, ttl.1))?;
    let within = |path: &str| {
        let token = session.reveal().trim();
        get(Request::get(format!("{service}/{path}")).header("x-aws-ec2-metadata-token", token))
    };
    let roles = within(ROLES)?;
    let role = roles.reveal().lines().next().unwrap_or_default().trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if role.is_empty() || !role.chars().all(plain) {
        return Err(Refusal::new(ErrorKind::Denied, "the instance has no role").before(&asked()));
    }
    let text = within(&format!("{ROLES}{role}"))?;
    let lent: Lent = serde_json::from_str(text.reveal())
        .map_err(|_| Refusal::garbled(format!("role {role} has no keys")).before(&asked()))?;
    if let Some(code) = lent.code.filter(|code| code != "Success") {
        let found = format!("role {role} has no keys: {}", code.escape_default());
        return Err(Refusal::new(ErrorKind::Denied, found).before(&asked()));
    }
    Ok(Keys {
        access: lent.access_key_id,
        secret: Secret::new(lent.secret_access_key),
        token: Some(Secret::new(lent.token)),
        expires: Some(lent.expiration),
    })
}
