//! A letter over SMTP: STARTTLS or TLS with checked certificates; in the clear on loopback only.
//!
//! One connection, one letter, no pool. The log of the run is attached as `backup_script.log`.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::base::Stop;
use crate::job::MailSpec;
use crate::notify::letter::Letter;
use crate::world::reveal;

/// Longest wait for one answer of the mail server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest log that is attached, in bytes; of a larger one the end.
const LOG: usize = 1 << 20;

/// Sends a letter.
pub fn send(
    mail: &MailSpec,
    to: &[String],
    letter: &Letter,
    log: Option<Vec<u8>>,
    stop: &Stop,
) -> Result<(), String> {
    let fail = |e: &dyn std::fmt::Display| {
        format!("unable to send mail by {}:{}: {e}", mail.host, mail.port)
    };
    let address = |text: &str| text.parse::<Mailbox>().map_err(|e| fail(&format!("{text}: {e}")));
    let mut builder = Message::builder().from(address(&mail.from)?).subject(&letter.subject);
    for receiver in to {
        builder = builder.to(address(receiver)?);
    }
    let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(letter.body.clone()));
    if let Some(mut log) = log {
        log.drain(..log.len().saturating_sub(LOG));
        parts = parts.singlepart(
            Attachment::new("backup_script.log".into()).body(log, ContentType::TEXT_PLAIN),
        );
    }
    let message = builder.multipart(parts).map_err(|e| fail(&e))?;
    let mut transport =
        SmtpTransport::builder_dangerous(&mail.host).port(mail.port).timeout(Some(PATIENCE));
    if mail.tls {
        let mut tls = TlsParameters::builder(mail.host.clone());
        if let Some(path) = &mail.ca {
            let pem = std::fs::read(path).map_err(|e| fail(&format!("{}: {e}", path.display())))?;
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| fail(&e))?);
        }
        let tls = tls.build().map_err(|e| fail(&e))?;
        transport =
            transport.tls(if mail.port == 465 { Tls::Wrapper(tls) } else { Tls::Required(tls) });
    }
    if let (Some(user), Some(password)) = (&mail.user, &mail.password) {
        let password = reveal(password, stop).map_err(|e| fail(&e))?;
        transport =
            transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    // lettre calls a time-out WouldBlock; the words of the error say so either way.
    transport.build().send(&message).map(|_| ()).map_err(|e| fail(&e))
}
