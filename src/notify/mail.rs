//! A letter over SMTP: STARTTLS or TLS with checked certificates; in the clear on loopback only.
//!
//! One connection, one letter, no pool. The log of the run is attached as `backup_script.log`.

use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::bounded;
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

/// The same for a whole letter with its log: a host that says a little now and then has an end as
/// well.
const LONGEST: Duration = Duration::from_secs(300);

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
    let transport = transport.build();
    within(LONGEST, move || transport.send(&message).map(|_| ()).map_err(|e| e.to_string()))
        .map_err(|why| fail(&why))
}

/// Does work on a thread of its own, which is left behind where it takes too long.
fn within(
    longest: Duration,
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let (done, waits) = bounded(1);
    let begun = Builder::new().name("mail".into()).spawn(move || drop(done.send(work())));
    begun.map_err(|e| format!("no thread for it: {e}"))?;
    match waits.recv_timeout(longest) {
        Ok(result) => result,
        Err(_) => Err(format!("the mail host did not end in {} s", longest.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_never_ends_is_left_behind() {
        let (hold, held) = bounded::<()>(0);
        let waits = move || {
            held.recv().unwrap_or_default();
            Ok(())
        };
        let why = within(Duration::from_millis(20), waits).expect_err("it does not end");
        assert!(why.starts_with("the mail host did not end in "), "{why}");
        drop(hold);
        assert_eq!(within(LONGEST, || Ok(())), Ok(()));
        assert_eq!(within(LONGEST, || Err("no".to_owned())), Err("no".to_owned()));
    }
}
