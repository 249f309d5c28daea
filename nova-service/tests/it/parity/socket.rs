//! Raw HTTP over a socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);

/// What is compared of an answer's headers.
const HEADERS: [&str; 9] = [
    "content-type",
    "x-request-id",
    "retry-after",
    "allow",
    "www-authenticate",
    "cache-control",
    "idempotency-replayed",
    "ratelimit-policy",
    "content-length",
];

/// Sends the request as it stands there, and gives back status, headers and body, without what differs from run to run.
pub(super) async fn send(address: SocketAddr, request: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
    shown(&answer)
}

/// Gets the paths one after the other on one connection, and gives back the answers as they come.
pub(super) async fn send_all(address: SocketAddr, paths: &[&str]) -> Vec<String> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        let mut answers = Vec::new();
        for path in paths {
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            answers.push(read_one(&mut stream).await);
        }
        answers
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}

async fn read_one(stream: &mut BufReader<TcpStream>) -> String {
    let mut answer = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "{answer}");
        answer += &line;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    answer + std::str::from_utf8(&body).unwrap()
}

fn shown(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .collect();
    headers.sort_by_key(|(name, _)| HEADERS.iter().position(|known| known == name));
    let new_id = headers
        .iter()
        .find(|(name, value)| name == "x-request-id" && value.len() == 36)
        .map(|(_, value)| (*value).to_owned());
    let mut text = status.to_owned();
    for (name, value) in headers {
        // A new id is as long as any other, a timestamp is not.
        if name == "content-length" && body.contains("timestamp") {
            continue;
        }
        text += &format!("\n  {name}: {value}");
    }
    text += &format!("\n  {}", without_timestamp(body));
    match new_id {
        Some(id) => text.replace(&id, "(new)"),
        None => text,
    }
}

fn without_timestamp(body: &str) -> String {
    let start = r#""timestamp":""#;
    let Some((before, rest)) = body.split_once(start) else {
        return body.to_owned();
    };
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{start}…\"{after}")
}
