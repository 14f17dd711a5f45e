package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func TestAccessLine(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	a := newAccessLog(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: drop})), false)
	one := stream.Access{
		Pool: "orders", Mechanism: "CURVE", Version: "3.1", BytesIn: 1, BytesOut: 2, Shown: netip.MustParseAddr("127.64.0.9"),
		Record: pairing.Record{
			ClientConn: t, WorkerConn: t,
			Origin:       pairing.Origin{Address: "localhost:0:0:7"},
			WorkerOrigin: pairing.Origin{Address: "10.0.0.1", Endpoint: "10.0.0.1:6000"},
			Identity:     "alice", Worker: "w1", Reason: pairing.WorkerReset,
			Waited: time.Second, Handshake: time.Millisecond, Total: time.Minute, Dials: 2,
		},
	}
	a.record(&one) // turned off
	a.turn(true)
	a.record(&one)
	const want = `level=INFO msg="client ended" pool=orders reason=worker-reset client=localhost:0:0:7 identity=alice worker=w1 ` +
		`worker-endpoint=10.0.0.1:6000 mechanism=CURVE zmtp=3.1 bytes-in=1 bytes-out=2 waited=1s handshake=1ms total=1m0s dials=2 shown=127.64.0.9` + "\n"
	if got := text.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}
