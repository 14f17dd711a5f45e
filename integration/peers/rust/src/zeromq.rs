//! The peer of zeromq (zmq.rs), which knows no mechanism but NULL.

mod peer;

use bytes::Bytes;
use peer::{Frames, Options};
use zeromq::{prelude::*, util::PeerIdentity, ZmqMessage};

enum Any {
    Req(zeromq::ReqSocket),
    Rep(zeromq::RepSocket),
    Dealer(zeromq::DealerSocket),
    Router(zeromq::RouterSocket),
    Push(zeromq::PushSocket),
    Pull(zeromq::PullSocket),
    Pub(zeromq::PubSocket),
    Sub(zeromq::SubSocket),
}

macro_rules! each {
    ($any:expr, $socket:ident => $what:expr, $($kind:ident),*) => {
        match $any {
            $(Any::$kind($socket) => $what,)*
            #[allow(unreachable_patterns)]
            _ => return Err("not with this kind".to_string()),
        }
    };
}

impl peer::Socket for Any {
    async fn bind(&mut self, endpoint: &str) -> Result<String, String> {
        let bound = each!(self, s => s.bind(endpoint).await, Req, Rep, Dealer, Router, Push, Pull, Pub, Sub);
        bound.map(|e| e.to_string()).map_err(|e| e.to_string())
    }

    async fn connect(&mut self, endpoint: &str) -> Result<(), String> {
        each!(self, s => s.connect(endpoint).await, Req, Rep, Dealer, Router, Push, Pull, Pub, Sub).map_err(|e| e.to_string())
    }

    async fn send(&mut self, frames: Frames) -> Result<(), String> {
        let message = ZmqMessage::try_from(frames).map_err(|e| e.to_string())?;
        each!(self, s => s.send(message).await, Req, Rep, Dealer, Router, Push, Pub).map_err(|e| e.to_string())
    }

    async fn recv(&mut self) -> Result<Frames, String> {
        let message = each!(self, s => s.recv().await, Req, Rep, Dealer, Router, Pull, Sub);
        message.map(|m| m.into_vec()).map_err(|e| e.to_string())
    }
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let role = words.next().expect("client or worker");
    let o = Options::read(words);
    let mut options = zeromq::SocketOptions::default();
    options.no_connect_timeout(); // a worker that dials in waits for as long as no client comes
    if let Some(identity) = o.get("identity") {
        options.peer_identity(PeerIdentity::try_from(Bytes::from(identity.to_string())).expect("an identity"));
    }
    let socket = match o.text("kind") {
        "REQ" => Any::Req(zeromq::ReqSocket::with_options(options)),
        "REP" => Any::Rep(zeromq::RepSocket::with_options(options)),
        "DEALER" => Any::Dealer(zeromq::DealerSocket::with_options(options)),
        "ROUTER" => Any::Router(zeromq::RouterSocket::with_options(options)),
        "PUSH" => Any::Push(zeromq::PushSocket::with_options(options)),
        "PULL" => Any::Pull(zeromq::PullSocket::with_options(options)),
        "PUB" => Any::Pub(zeromq::PubSocket::with_options(options)),
        "SUB" => {
            let mut socket = zeromq::SubSocket::with_options(options);
            socket.subscribe("").await.expect("subscribed");
            Any::Sub(socket)
        }
        kind => panic!("{kind}"),
    };
    if role == "client" {
        peer::client(socket, &o).await
    } else {
        peer::worker(socket, &o).await
    }
}
