//go:build peers

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// built is where `tools/setup.sh peers` has put the peers.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../.build/peers", name))
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("it is missing, `tools/setup.sh peers` brings it: %v", err)
	}
	return path
}

// TestPeersZeromqJS is zeromq.js, which brings a libzmq of its own (4.3.5).
func TestPeersZeromqJS(t *testing.T) {
	p := program{
		name:       "zeromq.js",
		mechanisms: mechanisms(),
		client:     []string{"node", "peers/js/client.js"},
		worker:     []string{"node", "peers/js/worker.js"},
		env:        []string{"NODE_PATH=" + built(t, "js/node_modules")},
	}
	interoperate(t, p)
	heartbeats(t, p)
}

// jeromq is a version of JeroMQ, with what differs in a folder of its own.
func jeromq(t *testing.T, version, folder string) program {
	path := built(t, "java/jeromq-"+version+".jar") + ":" + built(t, "java/jnacl-1.0.0.jar")
	classes := t.TempDir()
	compile := exec.Command("javac", "-nowarn", "-cp", path, "-d", classes, "peers/java/Peer.java", filepath.Join("peers/java", folder, "Library.java"))
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	java := []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", path + ":" + classes, "Peer"}
	return program{
		name:   "JeroMQ " + version,
		client: append(java[:len(java):len(java)], "client"),
		worker: append(java[:len(java):len(java)], "worker"),
	}
}

// TestPeersJeroMQOld is JeroMQ 0.3, an implementation of ZMTP 2.0 in Java, which knows no mechanism.
func TestPeersJeroMQOld(t *testing.T) {
	p := jeromq(t, "0.3.6", "v3")
	p.mechanisms = []string{"NULL"}
	interoperate(t, p)
}

// TestPeersJeroMQ is JeroMQ 0.6: ZMTP 3, PLAIN, and a CURVE of its own.
func TestPeersJeroMQ(t *testing.T) {
	p := jeromq(t, "0.6.0", "v6")
	p.lacks = map[string]string{"heartbeats/worker": "0.6.0's ROUTER does not always end a connection on which nothing comes any more (1 of 20, directly)"}
	p.mechanisms = mechanisms()
	independent(t, p)
	heartbeats(t, p)
}

// TestPeersPyzmq is the newest pyzmq, which brings a libzmq of its own (4.3.5).
func TestPeersPyzmq(t *testing.T) {
	p := python()
	p.env = []string{"PYTHONPATH=" + built(t, "py")}
	interoperate(t, p)
	heartbeats(t, p)
}

// TestPeersOmq is pyomq: omq, an implementation in Rust, from Python.
func TestPeersOmq(t *testing.T) {
	p := python()
	p.name = "pyomq"
	p.env = []string{"PYTHONPATH=" + built(t, "py"), "PEER_LIBRARY=pyomq"}
	p.lacks = map[string]string{}
	for _, mechanism := range mechanisms() {
		for _, kinds := range []string{"REQ-REP", "DEALER-REP"} {
			p.lacks["worker/"+mechanism+"/"+kinds] = "0.21.0's REP takes the last empty frame for the delimiter, not the first, and drops what is before it"
		}
	}
	independent(t, p)
	heartbeats(t, p)
}

// TestPeersZeromqRust is zeromq (zmq.rs), an implementation in Rust that knows no mechanism but NULL.
func TestPeersZeromqRust(t *testing.T) {
	peer := built(t, "rust/zeromq-peer")
	independent(t, program{
		name:       "zeromq (Rust)",
		mechanisms: []string{"NULL"},
		client:     []string{peer, "client"},
		worker:     []string{peer, "worker"},
		lacks: map[string]string{
			"again/dialling":        zeromqNeverAgain,
			"again/dialling-stream": zeromqNeverAgain,
		},
	})
}

const zeromqNeverAgain = "0.7.0's REP does not connect again when its connection has ended"

// TestPeersRzmq is rzmq, an implementation in Rust with PLAIN and CURVE.
func TestPeersRzmq(t *testing.T) {
	peer := built(t, "rust/rzmq-peer")
	lacks := map[string]string{}
	for _, mechanism := range mechanisms() {
		for _, kinds := range []string{"REQ-REP", "REQ-ROUTER"} {
			lacks["client/"+mechanism+"/"+kinds] = "0.5.28's REQ sends single frames only"
		}
		if mechanism == "NULL" {
			continue
		}
		for _, kinds := range []string{"REQ-REP", "DEALER-ROUTER", "REQ-ROUTER", "DEALER-REP"} {
			lacks["worker/"+mechanism+"/"+kinds+"/dialling"] = rzmqServesWhereItListens
		}
		lacks["worker/"+mechanism+"/dialling-stream"] = rzmqServesWhereItListens
	}
	p := program{
		lacks:      lacks,
		name:       "rzmq",
		mechanisms: mechanisms(),
		client:     []string{peer, "client"},
		worker:     []string{peer, "worker"},
	}
	independent(t, p)
	heartbeats(t, p)
}

const rzmqServesWhereItListens = "0.5.28 is the server of PLAIN and CURVE only where it listens"

// TestPeersCZMQ is czmq, the binding in C that frames, polls and authenticates by code of its own.
func TestPeersCZMQ(t *testing.T) {
	peer := czmq(t, "peer")
	p := program{
		name:       "czmq",
		mechanisms: mechanisms(),
		client:     []string{peer, "client"},
		worker:     []string{peer, "worker"},
	}
	independent(t, p)
	heartbeats(t, p)
}
