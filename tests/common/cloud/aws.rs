//! Who lends keys to machines of AWS: the Security Token Service, the metadata service of an
//! instance (its second version only), and that of a container.

use jiff::{SignedDuration, Timestamp};

use super::http::{Asked, Http, Service, Told};

pub const ROLE: &str = "arn:aws:iam::123456789012:role/vex";
pub const IDENTITY: &str = "CANARY-WEB-IDENTITY";
pub const CONTAINER: &str = "CANARY-CONTAINER";
const SESSION: &str = "CANARY-IMDS-SESSION";

/// What is lent.
pub struct Lender {
    pub access: String,
    pub secret: String,
    /// How long it holds.
    pub holds: SignedDuration,
}

impl Lender {
    /// A running one, that lends these keys for an hour.
    pub fn start(access: &str, secret: &str) -> Http<Lender> {
        let holds = SignedDuration::from_hours(1);
        Http::start(Lender { access: access.into(), secret: secret.into(), holds })
    }

    fn end(&self) -> Timestamp {
        Timestamp::from_second((Timestamp::now() + self.holds).as_second()).unwrap()
    }

    fn json(&self) -> Told {
        let lent = serde_json::json!({
            "Code": "Success", "AccessKeyId": self.access, "SecretAccessKey": self.secret,
            "Token": "CANARY-SESSION", "Expiration": self.end().to_string(),
        });
        Told::new(200).body(lent.to_string())
    }

    fn assume(&self, asked: &Asked) -> Told {
        let form: Vec<_> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
        let value = |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v);
        let fits = value("Action") == "AssumeRoleWithWebIdentity"
            && value("Version") == "2011-06-15"
            && value("RoleArn") == ROLE
            && value("RoleSessionName").starts_with("vex-");
        match (fits, value("WebIdentityToken")) {
            (false, _) => self.refuse(400, "ValidationError"),
            (true, IDENTITY) => Told::new(200).body(format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId>\
                 <SecretAccessKey>{}</SecretAccessKey><SessionToken>CANARY-SESSION</SessionToken>\
                 <Expiration>{}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                 </AssumeRoleWithWebIdentityResponse>",
                self.access,
                self.secret,
                self.end()
            )),
            (true, _) => self.refuse(400, "InvalidIdentityToken"),
        }
    }
}

impl Service for Lender {
    fn kind(&self, asked: &Asked) -> &'static str {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/") => "assume",
            ("PUT", "/latest/api/token") => "session",
            ("GET", path) if path.ends_with("/security-credentials/") => "roles",
            ("GET", path) if path.starts_with("/latest/") => "role",
            ("GET", "/container") => "container",
            _ => "other",
        }
    }

    fn answer(&mut self, asked: &Asked) -> Told {
        let session = asked.header("x-aws-ec2-metadata-token") == SESSION;
        match self.kind(asked) {
            "assume" => self.assume(asked),
            "session" if asked.header("x-aws-ec2-metadata-token-ttl-seconds").is_empty() => {
                Told::new(400)
            }
            "session" => Told::new(200).body(SESSION),
            "roles" | "role" if !session => Told::new(401),
            "roles" => Told::new(200).body("vex-role\n"),
            "role" if asked.path.ends_with("/vex-role") => self.json(),
            "container" if asked.header("authorization") == CONTAINER => self.json(),
            "container" => Told::new(401),
            _ => Told::new(404),
        }
    }

    fn refuse(&self, status: u16, code: &str) -> Told {
        Told::new(status).body(format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>a fault of the test</Message></Error></ErrorResponse>"
        ))
    }
}
