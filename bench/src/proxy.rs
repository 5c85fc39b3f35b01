//! The baseline: a proxy that copies bytes and understands none, on one current-thread runtime per core like the server.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::provider::announce;

pub(crate) fn serve(target: SocketAddr) -> Result<(), String> {
    let first = listen(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(|error| error.to_string())?;
    let address = first.local_addr().map_err(|error| error.to_string())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut listeners = vec![first];
    for _ in 1..cores {
        listeners.push(listen(address).map_err(|error| error.to_string())?);
    }
    let workers: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .map(|(number, listener)| std::thread::spawn(move || work(listener, target, number == 0)))
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked".to_owned())??;
    }
    Ok(())
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn work(listener: std::net::TcpListener, target: SocketAddr, speaks: bool) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
        if speaks {
            announce(&listener)?;
        }
        let tasks = TaskTracker::new();
        loop {
            let Ok((mut near, _)) = listener.accept().await else { continue };
            tasks.spawn(async move {
                let Ok(mut far) = TcpStream::connect(target).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                // Either side may leave at any time.
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}
