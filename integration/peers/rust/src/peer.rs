//! What every peer does, whichever library its sockets are of: the same flags, the same messages, the same JSON lines as
//! the peers in ../../py. Numbers of requests are in decimal; a blob depends on its request, so that a mix-up shows.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

pub type Frames = Vec<Bytes>;

/// A socket of one of the libraries. An error is its text.
#[allow(async_fn_in_trait)]
pub trait Socket {
    async fn bind(&mut self, endpoint: &str) -> Result<String, String>;
    async fn connect(&mut self, endpoint: &str) -> Result<(), String>;
    async fn send(&mut self, frames: Frames) -> Result<(), String>;
    async fn recv(&mut self) -> Result<Frames, String>;
}

pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads `--name value` and `--name=value`, since a CURVE key may begin with a dash.
    pub fn read(words: impl Iterator<Item = String>) -> Options {
        let mut found = HashMap::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let word = word.trim_start_matches("--").to_string();
            match word.split_once('=') {
                Some((name, value)) => found.insert(name.to_string(), value.to_string()),
                None => found.insert(word, words.next().expect("a value")),
            };
        }
        Options(found)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    pub fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).map_or(default, |v| v.parse().expect("a number"))
    }
}

fn blob(number: usize, size: usize) -> Bytes {
    let block = Sha256::digest(number.to_string().as_bytes());
    block.iter().cycle().take(size).copied().collect::<Vec<u8>>().into()
}

fn text(value: impl ToString) -> Bytes {
    Bytes::from(value.to_string())
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn in_time<T>(what: impl std::future::Future<Output = Result<T, String>>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time").expect("no error")
}

pub async fn client(mut socket: impl Socket, o: &Options) {
    let (kind, identity) = (o.text("kind"), o.text("identity"));
    let (requests, size) = (o.number("requests", 10), o.number("size", 1000));
    let at_once = if kind == "REQ" { 1 } else { o.number("at-once", 1) };
    in_time(socket.connect(o.text("connect"))).await;
    let (mut digest, mut received, mut wrong) = (Sha256::new(), 0, 0);
    if kind == "SUB" {
        while received < requests {
            let frames = in_time(socket.recv()).await;
            let number = std::str::from_utf8(&frames[0]).unwrap().parse().unwrap();
            wrong += (frames.len() != 2 || frames[1] != blob(number, size)) as usize;
            received += 1;
        }
    }
    let mut start = 0;
    while kind != "SUB" && start < requests {
        let mut batch = Vec::new();
        for number in start..requests.min(start + at_once) {
            let mut frames = Frames::new();
            if kind == "DEALER" && o.text("to") == "REP" {
                frames.push(Bytes::new());
            }
            frames.push(text(identity));
            frames.push(text(number));
            if number == start {
                frames.push(Bytes::new());
                frames.push(blob(number, size));
            }
            in_time(socket.send(frames.clone())).await;
            batch.push(frames);
        }
        for frames in batch {
            let reply = if kind == "PUSH" { frames.clone() } else { in_time(socket.recv()).await };
            received += 1;
            wrong += (reply != frames) as usize;
            for frame in reply {
                digest.update(format!("{}:", frame.len()));
                digest.update(frame);
            }
        }
        start += at_once;
    }
    if kind == "PUSH" {
        stop().await; // what is still queued would go with the socket
    }
    println!("{{\"event\":\"done\",\"received\":{received},\"wrong\":{wrong},\"digest\":\"{:x}\"}}", digest.finalize());
    std::process::exit((wrong > 0) as i32);
}

/// Waits for a line on standard input, or its end.
async fn stop() {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

pub async fn worker(mut socket: impl Socket, o: &Options) {
    match o.get("bind") {
        Some(endpoint) => {
            let bound = socket.bind(endpoint).await.expect("bound");
            println!("{{\"event\":\"ready\",\"endpoint\":\"{bound}\"}}");
        }
        None => {
            // It may return only when a client has come.
            println!("{{\"event\":\"ready\",\"endpoint\":\"{}\"}}", o.text("connect"));
            for _ in 0..o.number("slots", 1) {
                socket.connect(o.text("connect")).await.expect("connected");
            }
        }
    }
    let end = stop();
    tokio::pin!(end);
    let (mut messages, mut identities, mut digest) = (0, BTreeSet::new(), Sha256::new());
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        if o.text("kind") == "PUB" {
            tokio::select! {
                _ = &mut end => break,
                _ = tick.tick() => {
                    let _ = socket.send(vec![text(messages), blob(messages, 1000)]).await; // nobody may have subscribed
                    messages += 1;
                }
            }
            continue;
        }
        let frames = tokio::select! {
            _ = &mut end => break,
            received = socket.recv() => match received {
                Ok(frames) => frames,
                Err(error) => { // a connection ended; the next one comes
                    eprintln!("recv: {error}");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            },
        };
        messages += 1;
        if o.text("kind") == "PULL" {
            if frames[0] == "end" {
                println!("{{\"event\":\"pulled\"}}");
            }
            for frame in frames {
                digest.update(format!("{}:", frame.len()));
                digest.update(frame);
            }
            continue;
        }
        if o.text("kind") == "ROUTER" {
            identities.insert(format!("\"{}\"", String::from_utf8_lossy(&frames[0])));
        }
        if let Err(error) = socket.send(frames).await {
            eprintln!("send: {error}");
        }
    }
    let identities = identities.into_iter().collect::<Vec<_>>().join(",");
    println!("{{\"event\":\"done\",\"messages\":{messages},\"identities\":[{identities}],\"digest\":\"{:x}\"}}", digest.finalize());
    std::process::exit(0);
}
