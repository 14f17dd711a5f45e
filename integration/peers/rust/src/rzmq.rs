//! The peer of rzmq: NULL, PLAIN and CURVE.

mod peer;

use peer::{Frames, Options};
use rzmq::socket::options::*;
use rzmq::{Context, Msg, MsgFlags, SocketType};

struct Wrapped(rzmq::Socket);

impl peer::Socket for Wrapped {
    async fn bind(&mut self, endpoint: &str) -> Result<String, String> {
        self.0.bind(endpoint).await.map_err(|e| e.to_string())?;
        let bound = self.0.get_option(LAST_ENDPOINT).await.map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&bound).trim_end_matches('\0').to_string())
    }

    async fn connect(&mut self, endpoint: &str) -> Result<(), String> {
        self.0.connect(endpoint).await.map_err(|e| e.to_string())
    }

    async fn send(&mut self, frames: Frames) -> Result<(), String> {
        let last = frames.len() - 1;
        let frames = frames.into_iter().enumerate().map(|(i, frame)| {
            let mut m = Msg::from_bytes(frame);
            m.set_flags(if i < last { MsgFlags::MORE } else { MsgFlags::empty() });
            m
        });
        self.0.send_multipart(frames.collect()).await.map_err(|e| e.to_string())
    }

    async fn recv(&mut self) -> Result<Frames, String> {
        let frames = self.0.recv_multipart().await.map_err(|e| e.to_string())?;
        Ok(frames.into_iter().map(|m| m.data_bytes().unwrap_or_default()).collect())
    }
}

async fn secure(socket: &rzmq::Socket, o: &Options, serves: bool) -> Result<(), rzmq::ZmqError> {
    match (o.get("mechanism").unwrap_or("NULL"), serves) {
        ("PLAIN", _) => {
            // A server takes this one name and password; it asks nobody.
            if serves {
                socket.set_option(PLAIN_SERVER, true).await?;
            }
            socket.set_option(PLAIN_USERNAME, "user").await?;
            socket.set_option(PLAIN_PASSWORD, "pass").await
        }
        ("CURVE", true) => {
            socket.set_option(CURVE_SERVER, true).await?;
            socket.set_option_raw(CURVE_SECRET_KEY, o.text("server-secret").as_bytes()).await
        }
        ("CURVE", false) => {
            socket.set_option_raw(CURVE_SECRET_KEY, o.text("client-secret").as_bytes()).await?;
            socket.set_option_raw(CURVE_SERVER_KEY, o.text("server-public").as_bytes()).await
        }
        _ => Ok(()),
    }
}

async fn open(context: &Context, o: &Options, serves: bool) -> Result<rzmq::Socket, rzmq::ZmqError> {
    let kind = match o.text("kind") {
        "REQ" => SocketType::Req,
        "REP" => SocketType::Rep,
        "DEALER" => SocketType::Dealer,
        "ROUTER" => SocketType::Router,
        "PUSH" => SocketType::Push,
        "PULL" => SocketType::Pull,
        "PUB" => SocketType::Pub,
        "SUB" => SocketType::Sub,
        kind => panic!("{kind}"),
    };
    let socket = context.socket(kind)?;
    if let Some(identity) = o.get("identity") {
        socket.set_option_raw(ROUTING_ID, identity.as_bytes()).await?;
    }
    if matches!(o.text("kind"), "DEALER" | "ROUTER") {
        socket.set_option(AUTO_DELIMITER, false).await?; // the frames are what was sent, as everywhere else
    }
    socket.set_option(HANDSHAKE_IVL, 30_000i32).await?;
    socket.set_option(RECONNECT_IVL, 100i32).await?;
    if o.get("heartbeat").is_some() {
        let every = o.number("heartbeat", 0) as i32;
        socket.set_option(HEARTBEAT_IVL, every).await?;
        socket.set_option(HEARTBEAT_TIMEOUT, 20 * every).await?;
    }
    secure(&socket, o, serves).await?;
    if o.text("kind") == "SUB" {
        socket.set_option_raw(SUBSCRIBE, b"").await?;
    }
    Ok(socket)
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let role = words.next().expect("client or worker");
    let o = Options::read(words);
    let context = Context::new().expect("a context");
    let socket = open(&context, &o, role == "worker").await.expect("a socket");
    if role == "client" {
        peer::client(Wrapped(socket), &o).await
    } else {
        peer::worker(Wrapped(socket), &o).await
    }
}
