package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tortureVariable turns the tortures' full size on, if it is at least 1. Unset, each is over in seconds. The storms last as
// many times longer, which shows what memory comes to in the end.
const tortureVariable = "STREAMQ_TORTURE"

func tortureFactor() int {
	n, _ := strconv.Atoi(os.Getenv(tortureVariable)) // 0 if unset
	return n
}

// sized is a number that depends on whether the tortures have their full size.
func sized(small, full int) int {
	if tortureFactor() == 0 {
		return small
	}
	return full
}

// numbered is a raw peer that has a number, which it tells in the eight octets of its signature that have no meaning. So
// each peer knows its partner from the first bytes on, and what it is to receive.
type numbered struct {
	streamConn
	number uint64
	heard  int // bytes that came, all of them as they had to be
}

// streamConn is a connection over tcp or ipc.
type streamConn interface {
	net.Conn
	CloseWrite() error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// abort makes of Close a reset, which over ipc there is none of.
func (p *numbered) abort() error {
	if c, ok := p.streamConn.(*net.TCPConn); ok {
		return c.SetLinger(0)
	}
	return nil
}

// Workers count from here on, clients from 1.
const firstWorker = 1 << 32

// numberedGreeting is a greeting with a number in its signature.
func numberedGreeting(number uint64) []byte {
	g := greeting("NULL", 0)
	binary.BigEndian.PutUint64(g[1:9], number)
	return g
}

// sourceAddress is an address of this machine for a peer of that number. No two peers of a test have the same, so that
// neither ports run short nor what the proxy remembers of one address is another's.
func sourceAddress(number uint64) *net.TCPAddr {
	n := number%firstWorker | number/firstWorker<<21
	return &net.TCPAddr{IP: net.IPv4(127, 64+byte(n>>16), byte(n>>8), byte(n))}
}

// dialNumbered connects a new peer to an endpoint.
func dialNumbered(endpoint string, number uint64) (*numbered, error) {
	if path, ipc := strings.CutPrefix(endpoint, "ipc://"); ipc {
		c, err := net.DialTimeout("unix", path, patience)
		if err != nil {
			return nil, err
		}
		return asNumbered(c, number)
	}
	d := net.Dialer{LocalAddr: sourceAddress(number), Timeout: patience}
	c, err := d.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		return nil, err
	}
	return asNumbered(c, number)
}

// asNumbered makes a peer of a connection, all of whose life must fit into a time that is long enough for anything.
func asNumbered(c net.Conn, number uint64) (*numbered, error) {
	return &numbered{streamConn: c.(streamConn), number: number}, c.SetDeadline(time.Now().Add(2 * patience))
}

// manner is how a peer sends its greeting.
type manner int

const (
	asLibzmq     manner = iota // ten bytes, and the rest when the other's ten are there
	allAtOnce                  // as go-zeromq does
	restUnasked                // ten bytes, and the rest a moment later
	byteByByte                 // unasked
	withMessages               // all at once, and what follows behind it in the same write
	manners
)

// greet sends the greeting and hears the partner's, whose number it returns. first is
// what the peer says next, which is sent as well, sooner or later.
func (p *numbered) greet(how manner, pace *rand.Rand, first []byte) (partner uint64, err error) {
	g := numberedGreeting(p.number)
	pieces := [][]byte{g}
	switch how {
	case withMessages:
		pieces = [][]byte{append(g, first...)}
	case asLibzmq, restUnasked:
		pieces = [][]byte{g[:10], g[10:]}
	case byteByByte:
		pieces = pieces[:0]
		for i := range g {
			pieces = append(pieces, g[i:i+1])
		}
	}
	for i, piece := range pieces {
		if i > 0 && how != asLibzmq {
			dawdle(pace)
		}
		if i == 1 && how == asLibzmq {
			if partner, err = p.hearSignature(); err != nil {
				return 0, err
			}
		}
		if _, err := p.Write(piece); err != nil {
			return 0, err
		}
	}
	if partner == 0 {
		if partner, err = p.hearSignature(); err != nil {
			return 0, err
		}
	}
	if err := p.hear(numberedGreeting(partner)[10:]); err != nil || how == withMessages {
		return partner, err
	}
	_, err = p.Write(first)
	return partner, err
}

// dawdle lets a moment pass of a random length, so that what follows comes at any stage of whatever the proxy is doing.
func dawdle(pace *rand.Rand) {
	switch n := pace.IntN(64); {
	case n == 0:
		time.Sleep(time.Duration(pace.IntN(2000)) * time.Microsecond)
	case n < 16:
		runtime.Gosched()
	}
}

func (p *numbered) hearSignature() (number uint64, err error) {
	got := make([]byte, 10)
	n, err := io.ReadFull(p, got)
	number = binary.BigEndian.Uint64(got[1:9])
	if want := numberedGreeting(number); !bytes.Equal(got[:n], want[:n]) || n == 10 && number == 0 {
		return 0, fmt.Errorf("%w: %x for a signature", errWrong, got[:n])
	}
	p.heard += n
	return number, err
}

// errWrong: something else came than what was sent.
var errWrong = errors.New("not what was sent")

// hear reads exactly these bytes. What comes of them before an end is compared as well.
func (p *numbered) hear(want []byte) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if i := mismatch(got[:n], want); i >= 0 {
		return fmt.Errorf("%w: %x for %x, %d bytes before", errWrong, got[i:n], want[i:], p.heard+i)
	}
	p.heard += n
	return err
}

// mismatch is where got first differs from what want begins with, -1 if nowhere.
func mismatch(got, want []byte) int {
	if bytes.Equal(got, want[:len(got)]) {
		return -1
	}
	for i := range got {
		if got[i] != want[i] {
			return i
		}
	}
	return -1
}

// text is what one peer sends its partner once they have shaken hands: an endless stream that only these two have. So
// whatever the other receives can be checked without being kept.
type text struct {
	*rand.ChaCha8
	at  int
	buf []byte
}

// newText is what the peer of that number sends that partner. seed is the test's.
func newText(seed, from, to uint64) *text {
	var key [32]byte
	for i, part := range []uint64{seed, from, to} {
		binary.BigEndian.PutUint64(key[8*i:], part)
	}
	return &text{ChaCha8: rand.NewChaCha8(key)}
}

// next is the next n bytes. They are valid until the next call.
func (x *text) next(n int) []byte {
	if len(x.buf) < n {
		x.buf = make([]byte, n)
	}
	_, _ = x.Read(x.buf[:n]) // never fails
	x.at += n
	return x.buf[:n]
}

// check compares what has come with what comes next.
func (x *text) check(got []byte) error {
	if i := mismatch(got, x.next(len(got))); i >= 0 {
		return fmt.Errorf("%w, from byte %d on", errWrong, x.at-len(got)+i)
	}
	return nil
}

// anySize is a random number up to most, each order of magnitude as likely as the others.
func anySize(r *rand.Rand, most int) int { return int(math.Exp(r.Float64() * math.Log(float64(most)))) }

// torture is a proxy, and who is let loose on it.
type torture struct {
	*operated
	beside  *steady
	seed    uint64
	listens bool // the workers
	served  atomic.Uint64
	hosts   []net.Listener // of the workers, if they listen
	// accepting are the goroutines that hear whom the proxy dials.
	accepting sync.WaitGroup
}

// newTorture starts a proxy with a pair beside. Workers that listen are heard from [torture.serve] on.
func newTorture(t *testing.T, relay, transport string, listens bool) *torture {
	const listeners = 8 // so that the proxy does not run out of ports either
	x := &torture{seed: rand.Uint64(), listens: listens}
	// Nothing here is to end for want of time, least of all half of a pair because the machine was busy elsewhere.
	flags := []string{"--relay", relay, "--access-log=false", "--drain-timeout", "25s", "--connect-timeout", "30s", "--handshake-timeout", "2m"}
	if transport == "ipc" {
		flags = append(flags, "--frontend", wildcard(t, transport)) // before the one on tcp, which the pair beside has
	}
	if !listens {
		flags = append(flags, "--backend", wildcard(t, transport))
	}
	t.Cleanup(func() {
		for _, l := range x.hosts {
			l.Close()
		}
		x.accepting.Wait()
	})
	for i := range listeners {
		if !listens {
			break
		}
		network, address := "tcp", fmt.Sprintf("127.0.%d.1:0", 1+i)
		if transport == "ipc" {
			network, address = "unix", strings.TrimPrefix(wildcard(t, transport), "ipc://")
		}
		l, err := net.Listen(network, address)
		must(t, err)
		x.hosts = append(x.hosts, l)
		scheme := map[string]string{"tcp": "tcp://", "unix": "ipc://"}[network]
		flags = append(flags, "--worker", scheme+l.Addr().String())
	}
	x.operated, x.beside = startBeside(t, flags...)
	return x
}

// serve has every connection to a worker that listens be served.
func (x *torture) serve(t testing.TB, worker func(*numbered) error) {
	for _, l := range x.hosts {
		x.accepting.Go(func() { x.accept(t, l, worker) })
	}
}

func (x *torture) accept(t testing.TB, l net.Listener, worker func(*numbered) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		x.accepting.Go(func() {
			p, err := asNumbered(c, x.nextWorker())
			if err == nil {
				err = worker(p)
			}
			p.Close()
			if err != nil {
				t.Errorf("worker %x: %v", p.number, err)
			}
		})
	}
}

func (x *torture) nextWorker() uint64 { return firstWorker + x.served.Add(1) }

// tell prints how far it is, for whoever waits for a torture of full size.
func tell(t testing.TB, format string, args ...any) {
	t.Helper()
	if sized(0, 1) == 1 {
		t.Logf(format, args...)
	}
}
