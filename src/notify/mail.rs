//! A letter over SMTP: STARTTLS or TLS with checked certificates; in the clear on loopback only.
//!
//! One connection, one letter, no pool. Whom the server refuses keeps nobody else from being told.

use std::io::Write;
use std::path::Path;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::bounded;

use flate2::{Compression, GzBuilder};
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use crate::base::Stop;
use crate::job::{MailSpec, MailTls};
use crate::notify::letter::Letter;
use crate::world::reveal;

/// Longest wait for one answer of the mail server.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a whole letter with its log.
const WHOLE: Duration = Duration::from_secs(300);

/// A log larger than this is compressed, in bytes.
const LARGE: usize = 256 << 10;

/// Largest log that is attached, in bytes before compression; of a larger one the end.
const LONGEST: usize = 16 << 20;

/// What is sent, beside the words.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The letter.
    pub letter: Letter,
    /// What its `Message-ID` begins with: the run, and which letter of it.
    pub id: String,
    /// The machine that sends it.
    pub host: String,
    /// Files, by the name they are attached under.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

/// Sends a letter to all of `to`; the error names those who did not get it. A host that says a
/// little now and then has an end as well.
pub fn send(mail: &MailSpec, to: &[String], parcel: &Parcel, stop: &Stop) -> Result<(), String> {
    let (mail, to, parcel, stop) = (mail.clone(), to.to_vec(), parcel.clone(), stop.clone());
    within(WHOLE, move || deliver(&mail, &to, &parcel, &stop))
}

/// Does work on a thread of its own, which is left behind where it takes too long.
fn within(
    longest: Duration,
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let (done, waits) = bounded(1);
    let begun = Builder::new().name("mail".into()).spawn(move || drop(done.send(work())));
    begun.map_err(|e| format!("no thread to send mail: {e}"))?;
    match waits.recv_timeout(longest) {
        Ok(result) => result,
        Err(_) => Err(format!("the mail host did not end in {} s", longest.as_secs())),
    }
}

fn deliver(mail: &MailSpec, to: &[String], parcel: &Parcel, stop: &Stop) -> Result<(), String> {
    let place = format!("{}:{}", mail.host, mail.port);
    let fail = |e: String| format!("unable to send mail by {place}: {e}");
    let message = message(mail, to, parcel).map_err(&fail)?;
    let envelope = message.envelope();
    let mut line = connect(mail, stop).map_err(&fail)?;
    let mut options = Vec::new();
    if to.iter().any(|receiver| !receiver.is_ascii()) {
        options.push(MailParameter::SmtpUtfEight);
    }
    let bytes = message.formatted();
    if !bytes.is_ascii() && line.server_info().supports_feature(Extension::EightBitMime) {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let told = |e: &lettre::transport::smtp::Error| fail(words(e));
    line.command(Mail::new(envelope.from().cloned(), options)).map_err(|e| told(&e))?;
    let mut refused = Vec::new();
    for receiver in envelope.to() {
        match line.command(Rcpt::new(receiver.clone(), Vec::new())) {
            Ok(_) => {}
            // The server's own answer: the next may be taken.
            Err(error) if error.status().is_some() => {
                refused.push(format!("{receiver} is refused: {}", words(&error)));
            }
            Err(error) => return Err(told(&error)),
        }
    }
    let ended = if refused.len() < envelope.to().len() {
        line.command(Data).and_then(|_| line.message(&bytes)).map(drop)
    } else {
        Ok(())
    };
    line.abort();
    ended.map_err(|e| told(&e))?;
    if refused.is_empty() { Ok(()) } else { Err(fail(refused.join("; "))) }
}

/// A connection that may be given a letter.
fn connect(mail: &MailSpec, stop: &Stop) -> Result<SmtpConnection, String> {
    let tls = match mail.tls {
        MailTls::Off => None,
        MailTls::StartTls | MailTls::Implicit => Some(tls(mail)?),
    };
    let hello = ClientId::default();
    let wrapped = tls.as_ref().filter(|_| mail.tls == MailTls::Implicit);
    let address = (mail.host.as_str(), mail.port);
    let mut line = SmtpConnection::connect(address, Some(PATIENCE), &hello, wrapped, None)
        .map_err(|e| words(&e))?;
    if let (Some(tls), MailTls::StartTls) = (&tls, mail.tls) {
        line.starttls(tls, &hello).map_err(|e| words(&e))?;
    }
    if let (Some(user), Some(password)) = (&mail.user, &mail.password) {
        let password = reveal(password, stop).map_err(|e| e.to_string())?;
        let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
        line.auth(DEFAULT_MECHANISMS, &credentials).map_err(|e| words(&e))?;
    }
    Ok(line)
}

fn tls(mail: &MailSpec) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(mail.host.clone());
    if let Some(path) = &mail.ca {
        let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| words(&e))?);
    }
    tls.build().map_err(|e| words(&e))
}

/// What went wrong, with its cause; lettre calls a time-out WouldBlock.
fn words(error: &lettre::transport::smtp::Error) -> String {
    if error.is_timeout() {
        return format!("no answer in {} s", PATIENCE.as_secs());
    }
    error.to_string()
}

/// The letter with its files, as it goes out.
fn message(mail: &MailSpec, to: &[String], parcel: &Parcel) -> Result<Message, String> {
    let address = |text: &str| text.parse::<Mailbox>().map_err(|e| format!("{text}: {e}"));
    let letter = &parcel.letter;
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._".contains(*c);
    let host: String = parcel.host.chars().filter(plain).collect();
    let id: String = parcel.id.chars().filter(plain).collect();
    let mut builder = Message::builder()
        .from(address(&mail.from)?)
        .subject(&letter.subject)
        .date_now()
        .message_id(Some(format!("<{id}@{}>", if host.is_empty() { "vex" } else { &host })));
    for receiver in to {
        builder = builder.to(address(receiver)?);
    }
    let both = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
    let files = parcel.files.iter().map(|(name, bytes)| attachment(name, bytes));
    let parts = files.fold(MultiPart::mixed().multipart(both), MultiPart::singlepart);
    builder.multipart(parts).map_err(|e| e.to_string())
}

/// A file as an attachment, compressed where it is large.
fn attachment(name: &str, bytes: &[u8]) -> SinglePart {
    if bytes.len() <= LARGE {
        // As text, so that its lines end as those of a letter do.
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Attachment::new(name.to_owned()).body(text, ContentType::TEXT_PLAIN);
    }
    let mut gzip = GzBuilder::new().filename(name).write(Vec::new(), Compression::default());
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
    let kind = ContentType::parse("application/gzip").expect("BUG: a kind of content");
    // Writing to memory can't fail.
    Attachment::new(format!("{name}.gz")).body(packed.unwrap_or_default(), kind)
}

/// The end of a log; `None` where there is no file.
pub fn tail(path: &Path, most: Option<usize>) -> Option<Vec<u8>> {
    let mut bytes = std::fs::read(path).ok()?;
    bytes.drain(..bytes.len().saturating_sub(most.unwrap_or(LONGEST)));
    Some(bytes)
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
        assert_eq!(within(WHOLE, || Ok(())), Ok(()));
        assert_eq!(within(WHOLE, || Err("no".to_owned())), Err("no".to_owned()));
    }
}
