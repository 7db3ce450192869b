//! What goes wrong on the way to the service, and a record of what came by.
//!
//! An HTTP proxy in plain threads: it reads a request whole, asks the service, and answers; a fault
//! steps in at some occurrences of one kind of request. It also checks the CRC32C of parts, which the
//! service behind does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::gateway::{Alter, Framing};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Put,
    Get,
    Head,
    Delete,
    List,
    Initiate,
    Part,
    Complete,
    Abort,
    ListParts,
    ListUploads,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The service is not asked; this status and error code is the answer (also with status 200).
    Answer(u16, &'static str),
    /// The service is not asked; the answer is a 200 with this body.
    Body(&'static str),
    /// As `Answer(503, "SlowDown")`, with `Retry-After` in seconds.
    Busy(u64),
    /// As `Answer(301, "PermanentRedirect")`, with the region the bucket is in.
    Redirect(&'static str),
    /// As `Answer(501, "NotImplemented")`, but only if the request has a header whose name begins
    /// so.
    Unknown(&'static str),
    /// As `Answer(400, "InvalidRequest")`, but only if the body is not signed.
    Insist,
    /// The connection ends after this many bytes of the request's body.
    CutRequest(usize),
    /// The service is asked; the connection ends after this many bytes of the answer's body.
    CutResponse(usize),
    /// The service is asked; its answer is lost.
    Lose,
    /// Nothing is answered for so long; then the connection ends.
    Stall(Duration),
    /// The service is asked; something on the way changes its answer.
    Alter(Alter),
    /// A bit of the request's body flips on the way.
    SpoilRequest,
    /// A bit of the answer's body flips on the way.
    SpoilResponse,
}

/// A fault at some occurrences of a kind of request, counted from 1. Of several at one request the
/// first counts, but changes of its answer and a cut come together.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: Kind,
    /// What the path ends with; only such requests are counted.
    pub on: &'static str,
    pub first: usize,
    pub times: usize,
    pub what: What,
}

impl Fault {
    /// A fault at the first occurrence.
    pub fn new(kind: Kind, what: What) -> Fault {
        Fault { kind, on: "", first: 1, times: 1, what }
    }

    /// A change of the answer at the first occurrence.
    pub fn alter(kind: Kind, alter: Alter) -> Fault {
        Fault::new(kind, What::Alter(alter))
    }

    /// The same for paths with this end only.
    pub fn on(self, on: &'static str) -> Fault {
        Fault { on, ..self }
    }

    /// The same at every occurrence.
    pub fn always(self) -> Fault {
        Fault { first: 1, times: usize::MAX - 1, ..self }
    }

    /// The same at another occurrence.
    pub fn at(self, first: usize) -> Fault {
        Fault { first, ..self }
    }

    /// The same, so many times in a row.
    pub fn times(self, times: usize) -> Fault {
        Fault { times, ..self }
    }
}

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub kind: Kind,
    pub method: String,
    /// As on the wire, encoded.
    pub path: String,
    pub query: String,
    /// Without `authorization`; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Of POST only.
    pub body: Vec<u8>,
    /// `None` where no answer was given.
    pub status: Option<u16>,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Faults to come, and what came by.
#[derive(Default)]
pub struct Layer {
    pub faults: Vec<Fault>,
    pub requests: Vec<Recorded>,
}

/// The proxy; its thread ends with it.
pub struct Proxy {
    pub address: SocketAddr,
    pub layer: Arc<Mutex<Layer>>,
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A request, or an answer, whose first line is its status then.
#[derive(Default)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub framing: Framing,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

impl Proxy {
    /// Starts it, over TLS if there is something to show. The objects of the service are files
    /// below `root`.
    pub fn start(
        behind: SocketAddr,
        root: PathBuf,
        tls: Option<Arc<ServerConfig>>,
        layer: Arc<Mutex<Layer>>,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (to_layer, to_ended) = (layer.clone(), ended.clone());
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if to_ended.load(Ordering::SeqCst) {
                    return;
                }
                let (layer, ended) = (to_layer.clone(), to_ended.clone());
                socket.set_nodelay(true).unwrap();
                let socket: Box<dyn Socket> = match &tls {
                    Some(tls) => Box::new(StreamOwned::new(
                        ServerConnection::new(tls.clone()).unwrap(),
                        socket,
                    )),
                    None => Box::new(socket),
                };
                // A client that goes away is no event.
                let root = root.clone();
                std::thread::spawn(move || {
                    serve(socket, (behind, &root), &layer, &ended).unwrap_or(())
                });
            }
        });
        Proxy { address, layer, ended, thread: Some(thread) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A connection, protected or not; dropping it cuts it.
trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

/// Serves one connection until it ends or a fault ends it.
fn serve(
    socket: Box<dyn Socket>,
    (behind, root): (SocketAddr, &Path),
    layer: &Mutex<Layer>,
    ended: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket);
    while let Some(mut request) = read_head(&mut reader)? {
        let (index, faults) = record(&request, layer);
        let what = faults.iter().find(|w| !matches!(w, What::Alter(_) | What::CutResponse(_)));
        let cut =
            faults.iter().find_map(|w| if let What::CutResponse(k) = w { Some(*k) } else { None });
        let length: usize = request.header("content-length").map_or(0, |v| v.parse().unwrap());
        if let Some(What::CutRequest(k)) = what {
            reader.by_ref().take((*k).min(length) as u64).read_to_end(&mut request.body)?;
            return Ok(());
        }
        reader.by_ref().take(length as u64).read_to_end(&mut request.body)?;
        if request.body.len() < length {
            return Ok(());
        }
        if request.first.starts_with("POST") {
            layer.lock().unwrap().requests[index].body.clone_from(&request.body);
        }
        if what == Some(&What::SpoilRequest) {
            flip(&mut request.body);
        }
        let say = |status: u16, code: &str, extra: &[(&str, &str)]| error(status, code, extra);
        let mut response = match what {
            Some(What::Answer(status, code)) => say(*status, code, &[]),
            Some(What::Body(text)) => Message {
                first: "200".into(),
                body: text.as_bytes().to_vec(),
                ..Message::default()
            },
            Some(What::Busy(seconds)) => {
                say(503, "SlowDown", &[("retry-after", &seconds.to_string())])
            }
            Some(What::Redirect(region)) => {
                say(301, "PermanentRedirect", &[("x-amz-bucket-region", region)])
            }
            Some(What::Unknown(header))
                if request.headers.iter().any(|(n, _)| n.starts_with(header)) =>
            {
                let mut answer = say(501, "NotImplemented", &[]);
                answer.body = format!("<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message><Header>{header}</Header></Error>").into_bytes();
                answer
            }
            Some(What::Insist)
                if request.header("x-amz-content-sha256") == Some("UNSIGNED-PAYLOAD") =>
            {
                let mut answer = say(400, "InvalidRequest", &[]);
                answer.body =
                    b"<Error><Code>InvalidRequest</Code><Message>UNSIGNED-PAYLOAD is not allowed</Message></Error>"
                        .to_vec();
                answer
            }
            Some(What::Stall(time)) => {
                let end = Instant::now() + *time;
                while Instant::now() < end && !ended.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                return Ok(());
            }
            _ => match check(&request) {
                Err(code) => say(400, code, &[]),
                Ok(()) => forward(&request, behind)?,
            },
        };
        let head = request.first.starts_with("HEAD");
        match what {
            Some(What::Lose) => return Ok(()),
            Some(What::SpoilResponse) => flip(&mut response.body),
            _ => {}
        }
        let path = layer.lock().unwrap().requests[index].path.clone();
        for what in &faults {
            if let What::Alter(alter) = what {
                alter.apply(&mut response, &root.join(path.trim_start_matches('/')));
            }
        }
        if let Some(k) = cut {
            return write_response(reader.get_mut(), &response, head, k);
        }
        layer.lock().unwrap().requests[index].status = response.first.parse().ok();
        write_response(reader.get_mut(), &response, head, usize::MAX)?;
        if !matches!(response.framing, Framing::Own | Framing::Chunked) {
            return Ok(());
        }
    }
    Ok(())
}

/// Records a request; says its number and what goes wrong with it.
fn record(request: &Message, layer: &Mutex<Layer>) -> (usize, Vec<What>) {
    let mut words = request.first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kind = classify(method, path, query);
    let mut layer = layer.lock().unwrap();
    layer.requests.push(Recorded {
        kind,
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request.headers.iter().filter(|(n, _)| n != "authorization").cloned().collect(),
        body: Vec::new(),
        status: None,
    });
    let hits = |f: &&Fault| {
        let of = |r: &&Recorded| r.kind == kind && r.path.ends_with(f.on);
        let occurrence = layer.requests.iter().filter(of).count();
        let ours = f.kind == kind && path.ends_with(f.on);
        ours && (f.first..f.first + f.times).contains(&occurrence)
    };
    let faults = layer.faults.iter().filter(hits).map(|f| f.what.clone()).collect();
    (layer.requests.len() - 1, faults)
}

fn classify(method: &str, path: &str, query: &str) -> Kind {
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let object =
        path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match method {
        "HEAD" => Kind::Head,
        "GET" if has("uploads") => Kind::ListUploads,
        "GET" if has("uploadId") => Kind::ListParts,
        "GET" if object => Kind::Get,
        "GET" => Kind::List,
        "PUT" if has("uploadId") => Kind::Part,
        "PUT" => Kind::Put,
        "POST" if has("uploads") => Kind::Initiate,
        "POST" => Kind::Complete,
        "DELETE" if has("uploadId") => Kind::Abort,
        "DELETE" => Kind::Delete,
        other => panic!("the store sent {other} {path}"),
    }
}

/// What the service behind does not check itself.
fn check(request: &Message) -> Result<(), &'static str> {
    match request.header("x-amz-checksum-crc32c") {
        Some(told)
            if told
                != BASE64_STANDARD.encode(crc_fast::crc32_iscsi(&request.body).to_be_bytes()) =>
        {
            Err("BadDigest")
        }
        _ => Ok(()),
    }
}

fn flip(body: &mut [u8]) {
    if let Some(byte) = body.first_mut() {
        *byte ^= 1;
    }
}

fn error(status: u16, code: &str, extra: &[(&str, &str)]) -> Message {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>a fault of the test</Message></Error>"
    );
    let headers = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Message { first: status.to_string(), headers, body: body.into_bytes(), ..Message::default() }
}

/// Asks the service, one connection per request.
fn forward(request: &Message, behind: SocketAddr) -> std::io::Result<Message> {
    let mut socket = TcpStream::connect(behind)?;
    socket.set_nodelay(true)?;
    let mut head = format!("{}\r\nconnection: close\r\n", request.first);
    for (name, value) in request.headers.iter().filter(|(n, _)| n != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(head.as_bytes())?;
    socket.write_all(b"\r\n")?;
    // A service may answer before it read everything.
    drop(socket.write_all(&request.body));
    let mut reader = BufReader::new(socket);
    let mut response = read_head(&mut reader)?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    response.first = response.first.split(' ').nth(1).unwrap_or("502").to_owned();
    if response.header("transfer-encoding").is_some() {
        response.body = read_chunks(&mut reader)?;
    } else {
        // A broken end shows as a body that is shorter than its head says.
        drop(reader.read_to_end(&mut response.body));
    }
    Ok(response)
}

/// First line and headers; `None` where the connection ended before.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Message>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut message = Message { first: line.trim_end().to_owned(), ..Message::default() };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => return Ok(Some(message)),
            Some((name, value)) => {
                message.headers.push((name.to_lowercase(), value.trim().to_owned()))
            }
        }
    }
}

fn read_chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        reader.by_ref().take(size).read_to_end(&mut body)?;
        line.clear();
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Answers, with at most `limit` bytes of body.
fn write_response(
    socket: &mut dyn Socket,
    response: &Message,
    head: bool,
    limit: usize,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {} Status\r\n", response.first);
    let own = ["transfer-encoding", "connection", "content-length"];
    for (name, value) in response.headers.iter().filter(|(n, _)| !own.contains(&n.as_str())) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = match response.framing {
        _ if response.first == "204" => None,
        Framing::Own if head => Some(response.header("content-length").unwrap_or("0").to_owned()),
        Framing::Own => Some(response.body.len().to_string()),
        Framing::Length(bytes) => Some(bytes.to_string()),
        Framing::Chunked | Framing::Closed => None,
    };
    text.extend(length.map(|length| format!("content-length: {length}\r\n")));
    match response.framing {
        Framing::Chunked => text.push_str("transfer-encoding: chunked\r\n"),
        Framing::Closed => text.push_str("connection: close\r\n"),
        Framing::Own | Framing::Length(_) => {}
    }
    text.push_str("\r\n");
    socket.write_all(text.as_bytes())?;
    let body = &response.body[..response.body.len().min(if head { 0 } else { limit })];
    if response.framing != Framing::Chunked || head {
        socket.write_all(body)?;
        return socket.flush();
    }
    for chunk in body.chunks(16 << 10) {
        write!(socket, "{:x}\r\n", chunk.len())?;
        socket.write_all(chunk)?;
        socket.write_all(b"\r\n")?;
    }
    if body.len() == response.body.len() {
        socket.write_all(b"0\r\n\r\n")?;
    }
    socket.flush()
}
