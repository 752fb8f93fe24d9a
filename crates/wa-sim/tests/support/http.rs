//! The admin interface, as a harness in another language uses it.

use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wa_sim::Sim;

/// A request such as `GET /admin/stats`: the status and the body.
pub async fn request(sim: &Sim, head: &str, body: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let headers = "host: sim\r\nconnection: close\r\ncontent-type: application/json";
    let length = body.len();
    let request = format!("{head} HTTP/1.1\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}
