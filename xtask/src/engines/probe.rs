//! Whether an engine serves clients, asked in its own protocol: an open port alone says little.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(2);

/// A start-up message must be answered by an authentication request; a server that is still starting answers with an error.
pub(super) fn postgres(port: u16) -> Result<()> {
    const PROTOCOL_3_0: i32 = 0x0003_0000;
    let mut message = PROTOCOL_3_0.to_be_bytes().to_vec();
    message.extend(b"user\0postgres\0database\0postgres\0\0");
    let mut stream = connect(port)?;
    stream.write_all(&(i32::try_from(message.len())? + 4).to_be_bytes())?;
    stream.write_all(&message)?;
    let mut tag = [0];
    stream.read_exact(&mut tag)?;
    ensure!(tag == *b"R", "PostgreSQL refuses connections");
    // It is ready. A proper farewell, as far as it gets: the server logs every client that just hangs up.
    let _ = stream
        .write_all(b"X\0\0\0\x04")
        .and_then(|()| io::copy(&mut stream, &mut io::sink()));
    Ok(())
}

/// A metadata request must name a broker: one that is still fenced has its port open, but is not in the list.
pub(super) fn kafka(port: u16) -> Result<()> {
    const METADATA: i16 = 3;
    const VERSION: i16 = 1;
    const CORRELATION: i32 = 7;
    let client = b"xtask";
    let mut request = METADATA.to_be_bytes().to_vec();
    request.extend(VERSION.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    request.extend(i16::try_from(client.len())?.to_be_bytes());
    request.extend(client);
    let no_topics = 0_i32;
    request.extend(no_topics.to_be_bytes());

    let mut stream = connect(port)?;
    stream.write_all(&i32::try_from(request.len())?.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut int = [0; 4];
    let mut read_int = || -> Result<i32> {
        stream.read_exact(&mut int)?;
        Ok(i32::from_be_bytes(int))
    };
    let _length = read_int()?;
    ensure!(read_int()? == CORRELATION, "this is not a Kafka broker");
    ensure!(read_int()? > 0, "the broker is not part of its cluster yet");
    Ok(())
}

/// `PING` must be answered by `PONG`; a server that is still loading its data answers with an error.
pub(super) fn redis(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    if answer != *b"+PONG" {
        bail!("Redis does not serve yet");
    }
    Ok(())
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that reads what comes first and gives one answer.
    fn answering(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 256];
            let read = stream.read(&mut request).expect("a request");
            assert!(read > 0);
            stream.write_all(answer).expect("an open connection");
        });
        port
    }

    #[test]
    fn a_postgres_that_is_starting_up_is_not_ready() {
        assert!(postgres(answering(b"E\0\0\0\x08SFATAL")).is_err());
        assert!(postgres(answering(b"R\0\0\0\x08\0\0\0\0")).is_ok());
    }

    #[test]
    fn a_broker_that_names_no_broker_is_not_ready() {
        assert!(kafka(answering(b"\0\0\0\x08\0\0\0\x07\0\0\0\0")).is_err());
        assert!(kafka(answering(b"\0\0\0\x08\0\0\0\x07\0\0\0\x01")).is_ok());
        assert!(kafka(answering(b"HTTP/1.1 400 Bad Request\r\n")).is_err());
    }

    #[test]
    fn a_redis_that_is_loading_is_not_ready() {
        assert!(redis(answering(b"-LOADING\r\n")).is_err());
        assert!(redis(answering(b"+PONG\r\n")).is_ok());
    }

    #[test]
    fn a_closed_port_is_not_ready() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        assert!(redis(port).is_err());
    }
}
