//! `vex serve`: the dashboard, or just a report.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::cli::args::Serve;
use crate::cli::declare::declaration;
use crate::cli::exit::Exit;
use crate::cli::report::{sites, zone};
use crate::cli::wiring::{App, catalog_path, complain, open_catalog, tell};
use crate::job::{CatalogHome, JobFile, WebSpec};
use crate::web::{
    Config, Dashboard, Desk, Handler, Proxy, ReportPages, Settings, State, Tls,
    serve as serve_pages,
};
use crate::world::ServiceManager;

/// Where it listens unless told.
const LISTEN: &str = "127.0.0.1:8787";

/// How long a session lasts unless told.
const SESSION: Duration = Duration::from_secs(43_200);

/// How long the dashboard may take to answer itself.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a run that is started has to fail at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Serves until it is stopped.
pub fn serve(args: &Serve, app: &App) -> Exit {
    let (site, files) = match sites(&args.files, args.site.as_deref()) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let web = site.site.web.clone();
    let listen = args.listen.as_deref().or(web.listen.as_deref()).unwrap_or(LISTEN);
    let Some(address) = resolve(listen) else {
        complain(&format!("{listen} is no address and port; write one such as {LISTEN}"));
        return Exit::Usage;
    };
    if let Some(folder) = &args.report {
        return serve_report(folder, address, app);
    }
    let config = match config(&web, address) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match open_catalog(&app.world, &site, &app.stop) {
        Ok(mut catalog) => {
            for file in &files {
                if let Err(error) = catalog.declare(&declaration(file, &app.world)) {
                    complain(&error.to_string());
                }
            }
            if catalog.accounts().is_ok_and(|all| all.is_empty()) {
                complain("nobody can sign in yet: vex user add LOGIN --privilege Administrador");
            }
        }
        // It may come back; the pages say that it is away.
        Err(why) => complain(&why),
    }
    let state = Arc::new(state(args, app, &site, &files));
    let watch = {
        let (state, stop) = (Arc::clone(&state), app.stop.clone());
        std::thread::spawn(move || state.watch(&stop))
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let manager = ServiceManager::real();
    let in_clear = config.tls.is_none();
    let mut pulse = None;
    let ready = |at: SocketAddr| {
        let line = format!("the dashboard is at {scheme}://{at}/");
        tell(&line);
        manager.ready(&line);
        pulse = Some(keep_told(&manager, at, in_clear, &app.stop));
    };
    let served = serve_pages(config, Arc::new(Dashboard(state)), ready, &app.stop);
    app.stop.stop();
    drop(watch.join());
    drop(pulse.map(JoinHandle::join));
    finish(served)
}

/// Tells the manager of the service that the dashboard lives, as long as it answers, and that it
/// ends, as soon as that is wished.
fn keep_told(
    manager: &ServiceManager,
    at: SocketAddr,
    in_clear: bool,
    stop: &Stop,
) -> JoinHandle<()> {
    let (manager, stop) = (manager.clone(), stop.clone());
    std::thread::spawn(move || {
        let pulse = manager.pulse();
        while stop.sleep(pulse.unwrap_or(SESSION)).is_ok() {
            if pulse.is_some() && answers(at, in_clear) {
                manager.alive();
            }
        }
        manager.stopping();
    })
}

/// Whether the dashboard answers a request; with TLS, whether it takes a connection.
fn answers(at: SocketAddr, in_clear: bool) -> bool {
    // What listens on all addresses answers on its own.
    let own = match at.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    };
    let asked = || -> std::io::Result<bool> {
        let mut line = TcpStream::connect_timeout(&SocketAddr::new(own, at.port()), ANSWER)?;
        if !in_clear {
            return Ok(true);
        }
        line.set_read_timeout(Some(ANSWER))?;
        let request = format!("HEAD / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        line.write_all(request.as_bytes())?;
        let mut first = [0; 5];
        line.read_exact(&mut first)?;
        Ok(&first == b"HTTP/")
    };
    asked().unwrap_or(false)
}

fn finish(served: Result<(), crate::web::ServeError>) -> Exit {
    match served {
        Ok(()) => Exit::Success,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|c| format!(": {c}"));
            complain(&format!("{error}{}", cause.unwrap_or_default()));
            Exit::Error
        }
    }
}

fn state(args: &Serve, app: &App, site: &JobFile, files: &[crate::cli::wiring::Loaded]) -> State {
    let settings = Settings {
        lang: app.language(site),
        zone: zone(site),
        session: site.site.web.session.unwrap_or(SESSION),
        proxy_admin: site.site.web.proxy_admin,
        file: files.first().map_or("jobs/nightly.kdl".to_owned(), |f| f.path.clone()),
        clock: app.world.clock.clone(),
    };
    let opener = {
        let (world, site, stop) = (app.world.clone(), site.clone(), app.stop.clone());
        Box::new(move || {
            // A file that was removed is away; it is not to be replaced by an empty one.
            if let CatalogHome::File(path) = &site.site.catalog.home {
                let path = catalog_path(&world, path.as_deref());
                if !path.is_file() {
                    return Err(format!("there is no catalog {}", path.display()));
                }
            }
            open_catalog(&world, &site, &stop)
        })
    };
    let desk = Machine { host: app.world.host(), site: args.site.clone() };
    State::new(settings, Box::new(desk), opener)
}

fn resolve(listen: &str) -> Option<SocketAddr> {
    listen.parse().ok().or_else(|| listen.to_socket_addrs().ok()?.next())
}

fn config(web: &WebSpec, address: SocketAddr) -> Result<Config, Exit> {
    let mut config = Config::new(address, Arc::new(|line: &str| complain(line)));
    config.hosts.clone_from(&web.hosts);
    if let Some(host) = web.public_url.as_deref().and_then(|u| url::Url::parse(u).ok()) {
        config.hosts.extend(host.host_str().map(str::to_owned));
    }
    if let (Some(cert), Some(key)) = (&web.cert, &web.key) {
        config.tls = Some(Tls { certificate: cert.clone(), key: key.clone() });
    } else if !address.ip().is_loopback() && web.trusted_proxy.is_empty() {
        complain(
            "passwords would cross the network in the clear: give `web` a `cert` and a `key`, name the \
             `trusted-proxy` that speaks TLS for it, or listen on a loopback address",
        );
        return Err(Exit::Usage);
    }
    let proxies: Vec<IpAddr> = web.trusted_proxy.iter().filter_map(|p| p.parse().ok()).collect();
    config.proxy = Proxy { addresses: proxies, user_field: web.proxy_user.clone() };
    Ok(config)
}

/// Serves just a report, on a loopback address.
fn serve_report(folder: &Path, address: SocketAddr, app: &App) -> Exit {
    if !address.ip().is_loopback() {
        complain("a report is served without login, on a loopback address only");
        return Exit::Usage;
    }
    let pages = match ReportPages::open(folder) {
        Ok(pages) => pages,
        Err(error) => {
            complain(&format!(
                "unable to read the report in {}: {error}; write one with vex report --out DIR",
                folder.display()
            ));
            return Exit::Error;
        }
    };
    let handler: Arc<dyn Handler> = Arc::new(pages);
    let config = Config::new(address, Arc::new(|line: &str| complain(line)));
    let ready = |at: SocketAddr| tell(&format!("the report is at http://{at}/"));
    finish(serve_pages(config, handler, ready, &app.stop))
}

/// Starts runs of our own binary.
struct Machine {
    host: String,
    site: Option<PathBuf>,
}

impl Desk for Machine {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, file: &str, job: &str) -> Result<(), String> {
        self.start(&["run", file, job, "--quiet"])
    }

    fn verify(&self, file: &str, source: &str, store: &str, id: &str) -> Result<(), String> {
        self.start(&["verify", file, source, "--from", store, "--backup", id])
    }
}

impl Machine {
    /// Starts vex with some words; the error is what it said where it fails at once.
    fn start(&self, words: &[&str]) -> Result<(), String> {
        let binary = std::env::current_exe().map_err(|e| format!("unable to find vex: {e}"))?;
        let mut command = Command::new(binary);
        command.args(words);
        if let Some(site) = &self.site {
            command.arg("--site").arg(site);
        }
        // A group of its own: what stops the dashboard does not stop the run.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let said = tempfile::tempfile().map_err(|e| format!("unable to start the run: {e}"))?;
        let kept = said.try_clone().map_err(|e| format!("unable to start the run: {e}"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(said));
        let mut child = command.spawn().map_err(|e| format!("unable to start the run: {e}"))?;
        let begun = Instant::now();
        while begun.elapsed() < AT_ONCE {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(complaint(kept, status)),
                Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(error.to_string()),
            }
        }
        // Nobody waits for it here; its end is in the catalog.
        std::thread::spawn(move || drop(child.wait()));
        Ok(())
    }
}

/// What a run said that ended at once.
fn complaint(mut said: std::fs::File, status: std::process::ExitStatus) -> String {
    use std::io::Seek;
    let mut text = String::new();
    let read = said.rewind().and_then(|()| said.take(4000).read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => format!("vex run ended with {status}"),
    }
}
