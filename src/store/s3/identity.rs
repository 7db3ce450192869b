//! Keys for a web identity: a token that the machine was given (Kubernetes, CI), exchanged at AWS's
//! Security Token Service (`AssumeRoleWithWebIdentity`).
//!
//! Does not know buckets. The file of the token is read anew each time: it is replaced there.

use http::Request;
use jiff::Timestamp;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::base::{Secret, Stop};
use crate::store::contract::ErrorKind;
use crate::store::s3::keys::Keys;
use crate::store::wire::fetch::{Fetched, fetch, is_passing};
use crate::store::wire::key::variable;
use crate::store::wire::refusal::Refusal;
use crate::store::wire::xml::{Document, ErrorBody, moment, parse};
use crate::world::Agents;

/// What names the file of the token.
pub const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    assume_role_with_web_identity_result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: Lent,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lent {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Denied {
    error: ErrorBody,
}

impl Document for Assumed {
    const ROOTS: &[&str] = &["AssumeRoleWithWebIdentityResponse"];
}

impl Document for Denied {
    const ROOTS: &[&str] = &["ErrorResponse"];
}

/// Exchanges the token of the machine; `now` names the session.
pub fn assume(agents: &Agents, region: &str, now: Timestamp, stop: &Stop) -> Result<Keys, Refusal> {
    let lacking = |name: &str| Refusal::new(ErrorKind::Denied, format!("{name} is not set"));
    let file = variable(TOKEN_FILE).ok_or_else(|| lacking(TOKEN_FILE))?;
    let role = variable("AWS_ROLE_ARN").ok_or_else(|| lacking("AWS_ROLE_ARN"))?;
    let token = std::fs::read_to_string(&file)
        .map_err(|e| Refusal::new(ErrorKind::Denied, format!("unable to read {file}: {e}")))?;
    let session = variable("AWS_ROLE_SESSION_NAME");
    let session = session.unwrap_or_else(|| format!("vex-{}", now.as_second()));
    let service = match variable("AWS_ENDPOINT_URL_STS") {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        None => format!("https://sts.{region}.amazonaws.com/"),
    };
    let body = Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", &role)
        .append_pair("RoleSessionName", &session)
        .append_pair("WebIdentityToken", token.trim())
        .finish();
    let form = "application/x-www-form-urlencoded";
    let request = Request::post(&service).header("content-type", form).body(body);
    let asked = || format!("ask {service} for the keys of {role}");
    let request = request
        .map_err(|_| Refusal::new(ErrorKind::Failed, "the address has no form").before(&asked()))?;
    let Fetched { status, text } = fetch(agents, request, stop).map_err(|e| e.before(&asked()))?;
    let senseless = || Refusal::garbled("the answer holds no keys").before(&asked());
    if status != 200 {
        let told = parse::<Denied>(text.reveal().as_bytes()).map(|denied| denied.error);
        let told = told.unwrap_or_default();
        let words: String = format!("{status} {}: {}", told.code, told.message)
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        // The provider that is to be asked about the token may be away.
        let passing = is_passing(status) || told.code == "IDPCommunicationError";
        let kind = if passing { ErrorKind::Unreachable } else { ErrorKind::Denied };
        let found = words.trim_end_matches([':', ' ']);
        return Err(Refusal::new(kind, found).passing(passing).before(&asked()));
    }
    let assumed: Assumed = parse(text.reveal().as_bytes()).map_err(|_| senseless())?;
    let lent = assumed.assume_role_with_web_identity_result.credentials;
    Ok(Keys {
        access: lent.access_key_id,
        secret: Secret::new(lent.secret_access_key),
        token: Some(Secret::new(lent.session_token)),
        expires: Some(moment(&lent.expiration).ok_or_else(senseless)?),
    })
}
