//! A mail server on loopback: in the clear, with STARTTLS or TLS from the first byte, with AUTH, and
//! with receivers that it refuses. It keeps what it was given.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Clear,
    StartTls,
    Implicit,
}

/// A letter as it came.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Whom it was for, by the envelope.
    pub to: Vec<String>,
    /// What AUTH PLAIN said.
    pub auth: Option<String>,
    /// Whether it came over TLS.
    pub sealed: bool,
    /// Head and body.
    pub data: String,
}

impl Taken {
    /// The value of a field of its head, unfolded.
    pub fn field(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let found = head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.map(str::to_owned)
    }

    /// Its parts: the head of each, and its bytes without their transfer encoding.
    pub fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for part in self.data.split("\r\n--").skip(1) {
            let Some((head, body)) = part.split_once("\r\n\r\n") else { continue };
            if head.contains("multipart/") || !head.contains("Content-Type") {
                continue;
            }
            let bytes = match head.to_lowercase() {
                h if h.contains("base64") => STANDARD.decode(body.replace("\r\n", "")).unwrap(),
                h if h.contains("quoted-printable") => unquoted(body),
                _ => body.as_bytes().to_vec(),
            };
            found.push((head.to_owned(), bytes));
        }
        found
    }

    /// The text of the part whose head holds a word.
    pub fn part(&self, word: &str) -> String {
        let part = self.parts().into_iter().find(|(head, _)| head.contains(word));
        let (_, bytes) = part.unwrap_or_else(|| panic!("no part {word} in {}", self.data));
        String::from_utf8(bytes).unwrap()
    }
}

fn unquoted(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'=').then(|| std::str::from_utf8(&tail[..2]).unwrap());
        bytes.push(hex.map_or(*first, |hex| u8::from_str_radix(hex, 16).unwrap()));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

/// The server; its threads end with the process.
pub struct Smtp {
    pub port: u16,
    /// Its certificate, as PEM.
    pub certificate: String,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Smtp {
    /// Starts one that refuses receivers whose address begins with `refused`.
    pub fn start(wire: Wire) -> Smtp {
        drop(rustls::crypto::ring::default_provider().install_default());
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::default();
        let own = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, own) = (config.clone(), Arc::clone(&own));
                // A client that hangs up is none of the server's business.
                std::thread::spawn(move || drop(serve(stream, wire, &config, &own)));
            }
        });
        Smtp { port, certificate: made.cert.pem(), taken }
    }

    /// The block `mail` of a job file, with more fields.
    pub fn block(&self, more: &str) -> String {
        format!("mail host=\"127.0.0.1\" port={} from=\"vex@example.com\" {more}\n", self.port)
    }

    /// Waits for so many letters.
    #[track_caller]
    pub fn letters(&self, many: usize) -> Vec<Taken> {
        let begun = Instant::now();
        while self.taken.lock().unwrap().len() < many {
            assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", self.taken.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.taken.lock().unwrap().clone()
    }
}

/// What is read and written, sealed or not.
trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

fn serve(
    stream: TcpStream,
    wire: Wire,
    config: &Arc<ServerConfig>,
    taken: &Mutex<Vec<Taken>>,
) -> std::io::Result<()> {
    let seal = |stream: TcpStream| {
        let line = ServerConnection::new(config.clone()).unwrap();
        Box::new(StreamOwned::new(line, stream)) as Box<dyn Line>
    };
    let again = stream.try_clone()?;
    let mut sealed = wire == Wire::Implicit;
    let line = if sealed { seal(stream) } else { Box::new(stream) };
    let mut line = BufReader::new(line);
    line.get_mut().write_all(b"220 sink\r\n")?;
    let mut letter = Taken { to: Vec::new(), auth: None, sealed, data: String::new() };
    let mut text = String::new();
    while line.read_line(&mut text)? > 0 {
        let command = std::mem::take(&mut text).trim().to_owned();
        let answer = match command.split([' ', ':']).next().unwrap() {
            "EHLO" if wire == Wire::StartTls && !sealed => "250-sink\r\n250 STARTTLS\r\n".into(),
            "EHLO" => "250-sink\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "STARTTLS" => {
                line.get_mut().write_all(b"220 go\r\n")?;
                line = BufReader::new(seal(again.try_clone()?));
                (sealed, letter.sealed) = (true, true);
                continue;
            }
            "AUTH" => {
                let told = STANDARD.decode(command.rsplit(' ').next().unwrap()).unwrap();
                letter.auth = Some(String::from_utf8(told).unwrap());
                "235 fine\r\n".into()
            }
            "RCPT" if command.contains("refused") => "550 no such user here\r\n".into(),
            "RCPT" => {
                let to = command.split(['<', '>']).nth(1).unwrap();
                letter.to.push(to.to_owned());
                "250 fine\r\n".into()
            }
            "DATA" => {
                line.get_mut().write_all(b"354 go on\r\n")?;
                let mut part = String::new();
                while line.read_line(&mut part)? > 0 && part != ".\r\n" {
                    letter.data += &std::mem::take(&mut part);
                }
                taken.lock().unwrap().push(letter.clone());
                (letter.to, letter.data) = (Vec::new(), String::new());
                "250 taken\r\n".into()
            }
            "QUIT" => {
                line.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => "250 fine\r\n".into(),
        };
        line.get_mut().write_all(answer.as_bytes())?;
        line.get_mut().flush()?;
    }
    Ok(())
}
