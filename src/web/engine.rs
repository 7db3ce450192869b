//! The server behind the front: tiny_http on a private Unix socket, its workers, and the watch that
//! makes it anew when it has died.
//!
//! The only file that knows tiny_http. Its accepting thread ends for good at the first error, or at
//! a panic of which nobody hears; that shows in a connection that is refused. A page that panics is
//! a 500 and a complaint. The threads are not joined for ever: a page that hangs does not hold the
//! end of `vex serve`.

use std::any::Any;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use tempfile::TempDir;
use tiny_http::Server;

use crate::base::Stop;
use crate::web::exchange::{Body, Handler, Method, Request, Response};
use crate::web::front::{BODY_LIMIT, CONNECTION, Connections, PEER, SECURE, USER};
use crate::web::guard::{Guard, protect};
use crate::web::target;

/// How many requests are answered at once.
const WORKERS: usize = 4;

/// What fits into the buffer of a Unix socket: a worker that writes it never waits for a slow
/// reader. What is longer gets a thread of its own.
const AT_ONCE: usize = 64 * 1024;

/// How long a connection that is refused is tried again.
const TRIES: Duration = Duration::from_secs(2);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the workers may take to end.
const END: Duration = Duration::from_millis(500);

/// Hears what went wrong, one line each.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// What the workers share.
pub struct Pages {
    /// What stands before the pages.
    pub guard: Guard,
    /// The pages.
    pub handler: Arc<dyn Handler>,
    /// The table of connections.
    pub connections: Arc<Connections>,
    /// Hears what went wrong.
    pub complain: Complain,
}

/// The running server.
pub struct Engine {
    shared: Arc<Shared>,
    ended: Receiver<()>,
    stop: Stop,
}

struct Shared {
    pages: Pages,
    folder: TempDir,
    /// Guards which server runs now, counted from one.
    current: Mutex<usize>,
    broken: Sender<usize>,
}

impl Engine {
    /// Starts the first server; later ones are started by the watch.
    pub fn start(pages: Pages, stop: &Stop) -> io::Result<Engine> {
        let private = Permissions::from_mode(0o700);
        let folder =
            tempfile::Builder::new().prefix("vex-serve-").permissions(private).tempdir()?;
        let (broken, heard) = bounded(1);
        let shared = Arc::new(Shared { pages, folder, current: Mutex::new(1), broken });
        let first = shared.listen(1)?;
        // Dropped by the last thread that ends.
        let (alive, ended) = bounded(0);
        let watch = Watch { shared: Arc::clone(&shared), heard, alive, stop: stop.clone() };
        Builder::new().name("watch".to_owned()).spawn(move || watch.run(first))?;
        Ok(Engine { shared, ended, stop: stop.clone() })
    }

    /// A connection to the server; waits a little for one that is being made anew.
    pub fn dial(&self, stop: &Stop) -> io::Result<UnixStream> {
        let until = Instant::now() + TRIES;
        loop {
            let number = *self.shared.current.lock().expect("no panic while locked");
            let error = match UnixStream::connect(self.shared.path(number)) {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
                // Whoever came first has told it already.
                self.shared.broken.try_send(number).ok();
            }
            if Instant::now() > until || stop.sleep(PAUSE).is_err() {
                return Err(error);
            }
        }
    }

    /// Ends the workers; one that hangs in a page is left behind.
    pub fn end(self) {
        self.stop.stop();
        // Closed is what we wait for.
        self.ended.recv_timeout(END).ok();
    }
}

impl Shared {
    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(number.to_string())
    }

    fn listen(&self, number: usize) -> io::Result<Arc<Server>> {
        let path = self.path(number);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Server::from_listener(listener, None).map(Arc::new).map_err(io::Error::other)
    }
}

struct Watch {
    shared: Arc<Shared>,
    heard: Receiver<usize>,
    alive: Sender<()>,
    stop: Stop,
}

impl Watch {
    fn run(self, first: Arc<Server>) {
        let (mut server, mut number) = (first, 1);
        loop {
            let workers = (0..WORKERS).filter(|_| self.worker(&server, number)).count();
            let goes_on = match workers {
                0 => self.stop.sleep(PAUSE).is_ok(),
                _ => self.wait(number),
            };
            (0..WORKERS).for_each(|_| server.unblock());
            drop(server);
            if !goes_on {
                return;
            }
            number += 1;
            server = match self.anew(number) {
                Some(server) => server,
                None => return,
            };
            *self.shared.current.lock().expect("no panic while locked") = number;
            (self.shared.pages.complain)("the server behind the front has died and was made anew");
        }
    }

    /// Waits until this server has died, or the stop is wished: whether another one is needed.
    fn wait(&self, number: usize) -> bool {
        loop {
            select! {
                recv(self.stop.closed()) -> _ => return false,
                recv(self.heard) -> which => match which {
                    Ok(which) if which == number => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                },
            }
        }
    }

    /// Tries until a server listens or the stop is wished.
    fn anew(&self, number: usize) -> Option<Arc<Server>> {
        loop {
            // A try that failed half way has left its socket.
            drop(fs::remove_file(self.shared.path(number)));
            // tiny_http panics where it gets no thread.
            match catch_unwind(AssertUnwindSafe(|| self.shared.listen(number))) {
                Ok(Ok(server)) => return Some(server),
                Ok(Err(_)) | Err(_) => self.stop.sleep(PAUSE).ok()?,
            }
        }
    }

    fn worker(&self, server: &Arc<Server>, number: usize) -> bool {
        let (server, shared) = (Arc::clone(server), Arc::clone(&self.shared));
        let alive = self.alive.clone();
        let work = move || {
            while let Ok(request) = server.recv() {
                respond(&shared, request);
            }
            shared.broken.try_send(number).ok();
            drop(alive);
        };
        Builder::new().name("page".to_owned()).spawn(work).is_ok()
    }
}

/// Answers one request.
fn respond(shared: &Arc<Shared>, mut asked: tiny_http::Request) {
    let (request, connection) = match read(&mut asked) {
        Ok(read) => read,
        Err(status) => return write(asked, &protect("", false, Response::plain(status))),
    };
    let pages = &shared.pages;
    let answer = || pages.guard.answer(&request, &*pages.handler);
    let response = catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|panic| {
        (pages.complain)(&format!("the page {} failed: {}", request.path, said(&*panic)));
        protect(&request.host, request.secure, Response::plain(500))
    });
    let is_head = *asked.method() == tiny_http::Method::Head;
    match &response.body {
        Body::Events(_) if is_head => write(asked, &response),
        Body::Events(_) => match pages.connections.listen(connection) {
            Some(stop) => {
                let shared = Arc::clone(shared);
                apart(&pages.complain, move || stream(&shared, asked, response, &stop));
            }
            None => write(asked, &protect(&request.host, request.secure, Response::plain(503))),
        },
        Body::Bytes(bytes) if bytes.len() <= AT_ONCE => write(asked, &response),
        Body::Bytes(_) => apart(&pages.complain, move || write(asked, &response)),
    }
}

/// Runs what may take long in a thread of its own. Their number is that of the connections.
fn apart(complain: &Complain, work: impl FnOnce() + Send + 'static) {
    if Builder::new().name("answer".to_owned()).spawn(work).is_err() {
        complain("no thread can be started to send an answer");
    }
}

/// The request as the pages see it, and the number of its connection; or the status of a refusal.
fn read(asked: &mut tiny_http::Request) -> Result<(Request, u64), u16> {
    use tiny_http::Method::{Get, Head, Post};
    let method = match asked.method() {
        Get | Head => Method::Get,
        Post => Method::Post,
        _ => return Err(405),
    };
    let mut request = Request::new(method, asked.url()).map_err(|_| 400_u16)?;
    let mut connection = None;
    for field in asked.headers() {
        let (name, value) = (field.field.as_str().as_str(), field.value.as_str());
        match name {
            PEER => request.peer = value.parse().map_err(|_| 400_u16)?,
            SECURE => request.secure = true,
            CONNECTION => connection = value.parse().ok(),
            USER => request.proxy_user = Some(target::decoded(value).map_err(|_| 400_u16)?),
            name => request = request.with_header(name, value),
        }
    }
    let mut body = Vec::new();
    let most = u64::try_from(BODY_LIMIT).unwrap_or(u64::MAX) + 1;
    asked.as_reader().take(most).read_to_end(&mut body).map_err(|_| 400_u16)?;
    if body.len() > BODY_LIMIT {
        return Err(413);
    }
    Ok((request.with_body(body), connection.ok_or(400_u16)?))
}

fn write(asked: tiny_http::Request, response: &Response) {
    let is_head = *asked.method() == tiny_http::Method::Head;
    let length = matches!(response.body, Body::Bytes(_)).then_some(response.bytes().len());
    let mut bytes = response.head(length);
    if !is_head {
        bytes.extend_from_slice(response.bytes());
    }
    let mut writer = asked.into_writer();
    // Whoever has gone misses nothing.
    drop(writer.write_all(&bytes).and_then(|()| writer.flush()));
}

fn stream(shared: &Shared, asked: tiny_http::Request, response: Response, stop: &Stop) {
    let head = response.head(None);
    let mut writer = asked.into_writer();
    if writer.write_all(&head).and_then(|()| writer.flush()).is_err() {
        return;
    }
    let Body::Events(events) = response.body else { return };
    // A listener that has gone is no fault; the events end with it.
    let written = catch_unwind(AssertUnwindSafe(|| drop(events(&mut writer, stop))));
    if let Err(panic) = written {
        (shared.pages.complain)(&format!("a stream of events failed: {}", said(&*panic)));
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}
