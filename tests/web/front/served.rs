//! Pages that are served while a test asks for them, and a client that sends what it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use vex::testing::base::Stop;
use vex::testing::web::{Config, Handler, ServeError, serve};

/// Longer than anything takes that does not hang.
pub const HANGS: Duration = Duration::from_secs(30);

/// Pages on a free port; they end with this.
pub struct Served {
    pub address: SocketAddr,
    pub complaints: Arc<Mutex<Vec<String>>>,
    pub stop: Stop,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Served {
    pub fn new(handler: impl Handler + 'static) -> Served {
        Served::with(handler, |_| {})
    }

    pub fn with(handler: impl Handler + 'static, change: impl FnOnce(&mut Config)) -> Served {
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let complain = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), complain);
        change(&mut config);
        let (stop, (say, hear)) = (Stop::new(), crossbeam_channel::bounded(1));
        let wish = stop.clone();
        let ready = move |address| say.send(address).unwrap();
        let thread = std::thread::spawn(move || serve(config, Arc::new(handler), ready, &wish));
        let address = hear.recv_timeout(HANGS).unwrap();
        Served { address, complaints, stop, thread: Some(thread) }
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// What comes back for these bytes until the other end closes.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        send(self.connect(), bytes)
    }

    /// What comes back for a GET.
    pub fn get(&self, target: &str) -> String {
        self.send(get(target))
    }

    /// Ends it, and gives back how it ended.
    pub fn end(mut self) -> Result<(), ServeError> {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    stream.set_write_timeout(Some(HANGS)).unwrap();
    stream
}

/// The first line, as the front wants it, of a GET.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Sends bytes and reads what comes back.
pub fn send(mut stream: impl Read + Write, bytes: impl AsRef<[u8]>) -> String {
    stream.write_all(bytes.as_ref()).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// The status of an answer; 0 where there is none.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}
