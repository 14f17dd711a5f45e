//go:build peers

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPeersZeromqJS is zeromq.js, which brings a libzmq of its own (4.3.5).
func TestPeersZeromqJS(t *testing.T) {
	modules, err := filepath.Abs("../.build/js/node_modules")
	must(t, err)
	if _, err := os.Stat(filepath.Join(modules, "zeromq")); err != nil {
		t.Fatalf("zeromq.js is missing, `tools/setup.sh peers` installs it: %v", err)
	}
	interoperate(t, program{
		name:       "zeromq.js",
		mechanisms: mechanisms(),
		client:     []string{"node", "peers/js/client.js"},
		worker:     []string{"node", "peers/js/worker.js"},
		env:        []string{"NODE_PATH=" + modules},
	})
}

// TestPeersJeroMQ is JeroMQ 0.3, an implementation of ZMTP 2.0 in Java, which knows no mechanism.
func TestPeersJeroMQ(t *testing.T) {
	const jar = "/usr/share/java/jeromq.jar"
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("JeroMQ is missing, `tools/setup.sh peers` installs it: %v", err)
	}
	classes := t.TempDir()
	if out, err := exec.Command("javac", "-cp", jar, "-d", classes, "peers/java/Peer.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	java := []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jar + ":" + classes, "Peer"}
	interoperate(t, program{
		name:       "JeroMQ",
		mechanisms: []string{"NULL"},
		client:     append(java[:len(java):len(java)], "client"),
		worker:     append(java[:len(java):len(java)], "worker"),
	})
}
