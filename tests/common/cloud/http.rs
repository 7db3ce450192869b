//! A server of HTTP in plain threads, with faults on the way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// As on the wire, encoded.
    pub path: String,
    /// Decoded, sorted by name.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The path after `base`, decoded.
    pub fn key(&self, base: &str) -> String {
        let rest = self.path.strip_prefix(base).unwrap_or_default().trim_start_matches('/');
        let pair = format!("={}", rest.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().unwrap().1.into_owned()
    }
}

/// An answer.
#[derive(Debug, Default)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Told {
    pub fn new(status: u16) -> Told {
        Told { status, ..Told::default() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Told {
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Told {
        Told { body: body.into(), ..self }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The service is not asked; this is its status and code.
    Answer(u16, &'static str),
    /// The service is not asked, and nothing comes back.
    Cut,
    /// The service is asked; its answer is lost.
    Lose,
    /// A bit of the body flips before the service sees it.
    Spoil,
}

/// A fault at some requests of a kind, counted from 1.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub kind: &'static str,
    pub first: usize,
    pub times: usize,
    pub what: What,
}

impl Fault {
    pub fn new(kind: &'static str, what: What) -> Fault {
        Fault { kind, first: 1, times: 1, what }
    }

    pub fn times(self, times: usize) -> Fault {
        Fault { times, ..self }
    }
}

/// What a stand-in is.
pub trait Service: Send + 'static {
    /// What a request is for, in one word.
    fn kind(&self, asked: &Asked) -> &'static str;

    /// The answer.
    fn answer(&mut self, asked: &Asked) -> Told;

    /// An error in the words of the service.
    fn refuse(&self, status: u16, code: &str) -> Told;
}

#[derive(Default)]
struct Layer {
    faults: Vec<Fault>,
    /// Kind and status, 0 for no answer.
    seen: Vec<(&'static str, u16)>,
    lines: Vec<String>,
}

/// A running server; its threads end with the process.
pub struct Http<S> {
    pub address: String,
    pub service: Arc<Mutex<S>>,
    layer: Arc<Mutex<Layer>>,
}

impl<S: Service> Http<S> {
    pub fn start(service: S) -> Http<S> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (service, layer) =
            (Arc::new(Mutex::new(service)), Arc::new(Mutex::new(Layer::default())));
        let (behind, before) = (service.clone(), layer.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (service, layer) = (behind.clone(), before.clone());
                // Whoever hangs up is no event.
                std::thread::spawn(move || drop(serve(socket, &service, &layer)));
            }
        });
        Http { address, service, layer }
    }

    pub fn fault(&self, fault: Fault) {
        self.layer.lock().unwrap().faults.push(fault);
    }

    /// The statuses of one kind of request, in order; 0 where no answer was given.
    pub fn statuses(&self, kind: &str) -> Vec<u16> {
        let layer = self.layer.lock().unwrap();
        layer.seen.iter().filter(|(k, _)| *k == kind).map(|(_, status)| *status).collect()
    }

    /// Method and address of each request, as on the wire.
    pub fn lines(&self) -> Vec<String> {
        self.layer.lock().unwrap().lines.clone()
    }
}

fn serve<S: Service>(
    socket: TcpStream,
    service: &Mutex<S>,
    layer: &Mutex<Layer>,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut to = socket.try_clone()?;
    let mut from = BufReader::new(socket);
    while let Some((mut asked, line)) = read(&mut from)? {
        let kind = service.lock().unwrap().kind(&asked);
        let fault = {
            let mut layer = layer.lock().unwrap();
            layer.lines.push(line);
            let number = layer.seen.iter().filter(|(k, _)| *k == kind).count() + 1;
            layer.seen.push((kind, 0));
            let due =
                |f: &&Fault| f.kind == kind && number >= f.first && number < f.first + f.times;
            (layer.faults.iter().find(due).map(|f| f.what), layer.seen.len() - 1)
        };
        let (what, at) = fault;
        let told = match what {
            Some(What::Answer(status, code)) => service.lock().unwrap().refuse(status, code),
            Some(What::Cut) => return Ok(()),
            Some(What::Lose) => {
                drop(service.lock().unwrap().answer(&asked));
                return Ok(());
            }
            Some(What::Spoil) => {
                asked.body[0] ^= 1;
                service.lock().unwrap().answer(&asked)
            }
            None => service.lock().unwrap().answer(&asked),
        };
        layer.lock().unwrap().seen[at].1 = told.status;
        let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        let mut head = format!("HTTP/1.1 {} X\r\ndate: {now}\r\n", told.status);
        let own = told.headers.iter().any(|(name, _)| *name == "content-length");
        if !own && told.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", told.body.len()));
        }
        for (name, value) in &told.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        to.write_all(head.as_bytes())?;
        to.write_all(b"\r\n")?;
        if asked.method != "HEAD" {
            to.write_all(&told.body)?;
        }
    }
    Ok(())
}

/// A request and its first line; `None` at the end.
fn read(from: &mut BufReader<TcpStream>) -> std::io::Result<Option<(Asked, String)>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    query.sort();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").map_or(0, |n: &String| n.parse().unwrap());
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let asked = Asked { method, path: path.to_owned(), query, headers, body };
    Ok(Some((asked, line.trim_end().to_owned())))
}
