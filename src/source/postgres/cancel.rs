//! Cancels the statement that a server runs for us as soon as the run is to stop.

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded, select};
use postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::base::Stop;
use crate::job::TlsMode;
use crate::source::postgres::connect::Connector;
use crate::world::secure_client;

/// Time between two requests to cancel: one that arrives between two statements ends neither.
const AGAIN: Duration = Duration::from_millis(200);

/// Does `work` on the connection of `token`; when the run is to stop, its statement is cancelled.
pub fn stopping<T>(
    token: &CancelToken,
    connector: &Connector,
    stop: &Stop,
    work: impl FnOnce() -> T,
) -> T {
    let (over, ended) = bounded::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            select! {
                recv(ended) -> _ => return,
                recv(stop.closed()) -> _ => {}
            }
            loop {
                cancel(token, connector);
                match ended.recv_timeout(AGAIN) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        // Its end, good or bad, is the end of the look-out.
        let over = over;
        let done = work();
        drop(over);
        done
    })
}

fn cancel(token: &CancelToken, connector: &Connector) {
    let (mode, tls) = connector.protection();
    // A request that does not arrive is sent again; at worst the statement ends by itself.
    match mode {
        TlsMode::Off => drop(token.cancel_query(NoTls)),
        TlsMode::VerifyFull | TlsMode::VerifyCa | TlsMode::Require => {
            drop(
                secure_client(mode, tls).map(|tls| token.cancel_query(MakeRustlsConnect::new(tls))),
            );
        }
    }
}
