package integration

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// BenchmarkSharedPair is how long a client takes from its connect to the first byte of its worker, through proxies that
// remember alone, together, and would together with a store that is not there or was stopped: in turn, so that whatever else
// the machine does meets all of them alike. Each client is new, and what is known of it is nothing.
func BenchmarkSharedPair(b *testing.B) {
	worker, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer func() { _ = worker.Close() }()
	go echoAll(worker)
	store, stopped := sharedtest.NewRedis(b), sharedtest.NewRedis(b)
	var names, frontends []string
	start := func(name string, flags ...string) {
		p := startProxy(b, append([]string{
			"--frontend", "tcp://127.0.0.1:0", "--worker", "w=tcp://" + worker.Addr().String(), "--expect", "any",
			"--affinity", "source-address", "--access-log=false",
		}, flags...)...)
		names, frontends = append(names, name), append(frontends, strings.TrimPrefix(p.frontend[0], "tcp://"))
	}
	start("off")
	start("on", "--shared", store.URL())
	start("dead", "--shared", "redis://127.0.0.1:1")
	start("stopped", "--shared", stopped.URL())
	stopped.Stop()
	defer stopped.Go()
	for i := range 20 { // until each knows how its store is
		for _, f := range frontends {
			newPair(b, f, 1<<20+i)
		}
	}
	took := make([][]time.Duration, len(names))
	for i := range b.N {
		for k := range names {
			k = (k + i) % len(names)
			took[k] = append(took[k], newPair(b, frontends[k], i))
		}
	}
	b.ReportMetric(0, "ns/op") // which would be that of all together
	for k, name := range names {
		slices.Sort(took[k])
		at := func(share float64) float64 {
			return float64(took[k][min(int(share*float64(len(took[k]))), len(took[k])-1)].Microseconds())
		}
		b.ReportMetric(at(0.5), name+"-p50-us")
		b.ReportMetric(at(0.99), name+"-p99-us")
	}
}

func echoAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
}

// newPair is how long a client from an address of its own takes to hear of its worker.
func newPair(b *testing.B, frontend string, who int) time.Duration {
	b.Helper()
	from := &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("127.%d.%d.%d", 2+who>>16, who>>8&255, who&255))}
	d := net.Dialer{LocalAddr: from}
	begun := time.Now()
	c, err := d.Dial("tcp", frontend)
	must(b, err)
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte{1})
	must(b, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	must(b, err)
	return time.Since(begun)
}
