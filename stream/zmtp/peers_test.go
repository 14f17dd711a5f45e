package zmtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// peers are a client and a worker of libzmq, in a context of their own, with a
// ZAP handler that has one answer for everybody ("": none).
type peers struct {
	client, worker *zmq4.Socket
	serverKey      string // the worker's public key
}

func newPeers(t *testing.T, client, worker zmq4.Type, zap string) *peers {
	t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	socket := func(kind zmq4.Type) *zmq4.Socket {
		s, err := ctx.NewSocket(kind)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SetLinger(0)
		return s
	}
	p := &peers{client: socket(client), worker: socket(worker)}
	var handler sync.WaitGroup
	stop := make(chan struct{})
	sockets := []*zmq4.Socket{p.client, p.worker}
	if zap != "" {
		s := socket(zmq4.ROUTER) // which may leave a request without an answer
		sockets = append(sockets, s)
		if err := s.Bind("inproc://zeromq.zap.01"); err != nil {
			t.Fatal(err)
		}
		_ = s.SetRcvtimeo(20 * time.Millisecond)
		handler.Go(func() { answerZAP(s, zap, stop) })
		must(t, p.worker.SetZapDomain("global"))
	}
	t.Cleanup(func() {
		close(stop)
		handler.Wait()
		for _, s := range sockets {
			_ = s.Close()
		}
		_ = ctx.Term()
	})
	return p
}

func answerZAP(s *zmq4.Socket, status string, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if ask, err := s.RecvMessage(0); err == nil && status != mute {
			_, _ = s.SendMessage(ask[0], "", "1.0", ask[3], status, "text", "", "")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *peers) plain(t *testing.T) {
	t.Helper()
	must(t, p.worker.SetPlainServer(1))
	must(t, p.client.SetPlainUsername("user"))
	must(t, p.client.SetPlainPassword("password"))
}

// curve gives both their keys; key is the one that the client takes for the server's.
func (p *peers) curve(t *testing.T, key string) {
	t.Helper()
	public, secret, err := zmq4.NewCurveKeypair()
	must(t, err)
	must(t, p.worker.SetCurveServer(1))
	must(t, p.worker.SetCurveSecretkey(secret))
	p.serverKey = public
	if key == "" {
		key = public
	}
	public, secret, err = zmq4.NewCurveKeypair()
	must(t, err)
	must(t, p.client.SetCurveServerkey(key))
	must(t, p.client.SetCurvePublickey(public))
	must(t, p.client.SetCurveSecretkey(secret))
}

// meet lets the two shake hands through a relay that watches, and says who ended it.
// silence is how long nobody may say a word before that is taken for the end.
func (p *peers) meet(t *testing.T, silence time.Duration) (h *Handshake, closer Closer, err error) {
	t.Helper()
	must(t, p.worker.Bind("tcp://127.0.0.1:*"))
	address, err := p.worker.GetLastEndpoint()
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	must(t, p.client.Connect("tcp://"+l.Addr().String()))
	client, err := l.Accept()
	must(t, err)
	defer client.Close()
	worker, err := net.Dial("tcp", address[len("tcp://"):])
	must(t, err)
	defer worker.Close()
	h = &Handshake{}
	closer, err = relay(h, client, worker, silence)
	return h, closer, err
}

// heard is what one side sent, or nil at its end.
type heard struct {
	side  Side
	bytes []byte
}

// relay watches as the proxy does, until the handshake is over.
func relay(h *Handshake, client, worker net.Conn, silence time.Duration) (Closer, error) {
	words := make(chan heard)
	done := make(chan struct{})
	defer close(done)
	listen := func(side Side, c net.Conn) {
		for {
			b := make([]byte, 4096)
			n, err := c.Read(b)
			if err != nil && n == 0 {
				b = nil
			}
			select {
			case words <- heard{side, b[:n]}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}
	go listen(Worker, worker)
	first := <-words // a pair begins with the worker's signature
	go listen(Client, client)
	if _, err := h.Worker(first.bytes); err != nil || first.bytes == nil {
		return WorkerClosed, err
	}
	_, _ = client.Write(first.bytes)
	var held []byte
	for {
		var w heard
		select {
		case w = <-words:
		case <-time.After(silence):
			return NobodyClosed, os.ErrDeadlineExceeded
		}
		var state State
		var err error
		switch {
		case w.bytes == nil && w.side == Client:
			return ClientClosed, nil
		case w.bytes == nil:
			return WorkerClosed, nil
		case w.side == Client:
			state, err = h.Client(w.bytes)
			held = append(held, w.bytes...)
		default:
			state, err = h.Worker(w.bytes)
			var v *Violation
			if err == nil || errors.As(err, &v) && v.Side == Client {
				_, _ = client.Write(w.bytes)
			}
		}
		if err != nil {
			return NobodyClosed, err
		}
		pass := len(held) - int(h.Held())
		_, _ = worker.Write(held[:pass])
		if held = held[pass:]; state == Open {
			return NobodyClosed, nil
		}
	}
}

// scenario is a client and a worker of libzmq that are wrong in one thing.
type scenario struct {
	name           string
	client, worker zmq4.Type
	zap            string
	set            func(t *testing.T, p *peers)
	says           string // a part of the meaning
	reason         string
	rows           []Meaning // that may come of it, without their texts
}

const mute = "mute" // a ZAP handler that never answers

func curved(t *testing.T, p *peers) { t.Helper(); p.curve(t, "") }

func plained(t *testing.T, p *peers) { t.Helper(); p.plain(t) }

func otherKey(t *testing.T, p *peers) {
	t.Helper()
	other, _, err := zmq4.NewCurveKeypair()
	must(t, err)
	p.curve(t, other)
}

func plainServers(t *testing.T, p *peers) {
	t.Helper()
	p.plain(t)
	must(t, p.client.SetPlainServer(1))
}

func curveServers(t *testing.T, p *peers) {
	t.Helper()
	p.curve(t, "")
	must(t, p.client.SetCurveServer(1))
}

var scenarios = []scenario{
	{
		"NULL: wrong socket type", zmq4.PULL, zmq4.ROUTER, "", nil, "socket types", "",
		[]Meaning{{"NULL", StageGreeting, StageReady, ClientClosed, ""}, {"NULL", StageReady, StageGreeting, WorkerClosed, ""}},
	},
	{
		"NULL: ZAP 400", zmq4.REQ, zmq4.REP, "400", nil, "(400)", "400",
		[]Meaning{{"NULL", StageReady, StageError, ClientClosed, ""}},
	},
	{
		"NULL: ZAP 500", zmq4.REQ, zmq4.REP, "500", nil, "(500)", "500",
		[]Meaning{{"NULL", StageReady, StageError, ClientClosed, ""}},
	},
	{
		"NULL: ZAP 300", zmq4.REQ, zmq4.REP, "300", nil, "answers 300", "",
		[]Meaning{{"NULL", StageReady, StageGreeting, NobodyClosed, ""}, {"NULL", StageReady, StageGreeting, WorkerClosed, ""}},
	},
	{
		"NULL: mute ZAP", zmq4.REQ, zmq4.REP, mute, nil, "not at all", "",
		[]Meaning{{"NULL", StageReady, StageGreeting, NobodyClosed, ""}},
	},
	{
		"PLAIN: wrong password", zmq4.REQ, zmq4.REP, "400", plained, "password", "400",
		[]Meaning{{"PLAIN", StageHello, StageError, ClientClosed, ""}},
	},
	{
		"PLAIN: ZAP 300", zmq4.REQ, zmq4.REP, "300", plained, "answers 300", "",
		[]Meaning{{"PLAIN", StageHello, StageGreeting, NobodyClosed, ""}, {"PLAIN", StageHello, StageGreeting, WorkerClosed, ""}},
	},
	{
		"PLAIN: mute ZAP", zmq4.REQ, zmq4.REP, mute, plained, "not at all", "",
		[]Meaning{{"PLAIN", StageHello, StageGreeting, NobodyClosed, ""}},
	},
	{
		"PLAIN: no ZAP handler", zmq4.REQ, zmq4.REP, "", plained, "no ZAP handler", "",
		[]Meaning{{"PLAIN", StageHello, StageGreeting, WorkerClosed, ""}},
	},
	{
		"PLAIN: wrong socket type", zmq4.PULL, zmq4.ROUTER, "200", plained, "socket types", "",
		[]Meaning{{"PLAIN", StageInitiate, StageWelcome, WorkerClosed, ""}},
	},
	{
		"PLAIN: two servers", zmq4.REQ, zmq4.REP, "200", plainServers, "both servers", "",
		[]Meaning{{"PLAIN", StageGreeting, StageGreeting, NobodyClosed, ""}},
	},
	{
		"CURVE: another server key", zmq4.REQ, zmq4.REP, "", otherKey, "another server key", "",
		[]Meaning{{"CURVE", StageHello, StageGreeting, WorkerClosed, ""}},
	},
	{
		"CURVE: ZAP 400", zmq4.REQ, zmq4.REP, "400", curved, "by key", "400",
		[]Meaning{{"CURVE", StageInitiate, StageError, ClientClosed, ""}},
	},
	{
		"CURVE: ZAP 300", zmq4.REQ, zmq4.REP, "300", curved, "answers 300", "",
		[]Meaning{{"CURVE", StageInitiate, StageWelcome, NobodyClosed, ""}, {"CURVE", StageInitiate, StageWelcome, WorkerClosed, ""}},
	},
	{
		"CURVE: mute ZAP", zmq4.REQ, zmq4.REP, mute, curved, "not at all", "",
		[]Meaning{{"CURVE", StageInitiate, StageWelcome, NobodyClosed, ""}},
	},
	{
		"CURVE: wrong socket type", zmq4.PULL, zmq4.ROUTER, "", curved, "socket types", "",
		[]Meaning{{"CURVE", StageInitiate, StageWelcome, WorkerClosed, ""}},
	},
	{
		"CURVE: two servers", zmq4.REQ, zmq4.REP, "", curveServers, "both servers", "",
		[]Meaning{{"CURVE", StageGreeting, StageGreeting, NobodyClosed, ""}},
	},
}

// silence is how long nobody may say a word before that is taken for the end.
func (s *scenario) silence() time.Duration {
	if s.rows[0].Closer == NobodyClosed {
		return 3 * time.Second // in which also a busy machine says the next word
	}
	return 30 * time.Second
}

// What the end at a stage means is shown by peers of libzmq that are wrong in
// one thing: the stages are as the table says, and so is the cause.
func TestMeanings(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPeers(t, s.client, s.worker, s.zap)
			if s.set != nil {
				s.set(t, p)
			}
			h, closer, err := p.meet(t, s.silence())
			if v := (*Violation)(nil); errors.As(err, &v) && strings.HasSuffix(v.What, "PULL at a worker that is ROUTER") {
				return // both had said their types before one closed
			}
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			if h.Stage(Worker) == StageError {
				closer = ClientClosed // or the worker, which has heard the client's READY behind its ERROR
			}
			got := Meaning{h.Mechanism(), h.Stage(Client), h.Stage(Worker), closer, ""}
			if !slices.Contains(s.rows, got) || h.ErrorReason() != s.reason {
				t.Errorf("it came to %+v, %q, want %+v", got, h.ErrorReason(), s.rows)
			}
			if got := h.Meaning(closer); !strings.Contains(got, s.says) {
				t.Errorf("%v closed: %q, want %q", closer, got, s.says)
			}
		})
	}
}

// A worker of libzmq closes in the middle of its greeting when a client cannot
// speak its mechanism.
func TestMeaningOfAnotherMechanism(t *testing.T) {
	t.Parallel()
	for first, says := range map[string]string{
		signature3 + "\x03\x01NULL" + zeros[:16] + zeros: "another mechanism",
		signature3 + "\x01\x03\x00\x00":                  "ZMTP 2.0 knows none",
	} {
		p := newPeers(t, zmq4.REQ, zmq4.REP, "")
		p.curve(t, "")
		must(t, p.worker.Bind("tcp://127.0.0.1:*"))
		address, err := p.worker.GetLastEndpoint()
		must(t, err)
		worker, err := net.Dial("tcp", address[len("tcp://"):])
		must(t, err)
		client, we := tcpPair(t)
		go func() {
			_, _ = we.Write([]byte(first))
			_, _ = io.Copy(io.Discard, we)
		}()
		var h Handshake
		closer, err := relay(&h, client, worker, 10*time.Second)
		client.Close()
		worker.Close()
		var v *Violation
		switch {
		case errors.As(err, &v): // the worker was quick enough to say its own
			if v.Side != Client || !strings.Contains(v.What, "at a worker that speaks CURVE") {
				t.Errorf("%x: %v", first, v)
			}
		case err != nil || closer != WorkerClosed || !strings.Contains(h.Meaning(closer), says):
			t.Errorf("%x: the client came to %v, the worker to %v, closed by %v: %q, %v", first, h.Stage(Client), h.Stage(Worker), closer, h.Meaning(closer), err)
		}
	}
}

// Every row is gone through by a test with real peers.
func TestMeaningsAreShown(t *testing.T) {
	t.Parallel()
	for _, m := range Meanings() {
		shown := m.Mechanism == ""
		for _, s := range scenarios {
			shown = shown || slices.Contains(s.rows, Meaning{m.Mechanism, m.Client, m.Worker, m.Closer, ""})
		}
		if !shown {
			t.Errorf("no scenario for %+v", m)
		}
		if strings.HasSuffix(m.Text, ".") || strings.ContainsAny(m.Text, "\n") {
			t.Errorf("%q", m.Text)
		}
	}
}

// Recorded conversations of other libraries mean the same.
func TestMeaningsOfRecordedPeers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		closer Closer
		says   string
	}{
		"curve-wrong-key":            {WorkerClosed, "another server key"},
		"jeromq-0.6.0-plain-refused": {ClientClosed, "password"},
		"plain-zap-400-4.3.5":        {WorkerClosed, "password"},
		"null-pull-router":           {ClientClosed, "socket types"},
		"curve-req-rep":              {WorkerClosed, ""},
		"curve-server-is-client":     {ClientClosed, ""},
	} {
		var h Handshake
		for _, s := range load(t, name) {
			if _, err := s.give(&h, s.bytes); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.Meaning(c.closer); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := fmt.Sprint(NobodyClosed, ClientClosed, WorkerClosed, Closer(9)); got != "nobody client worker unknown" {
		t.Error(got)
	}
}

// A worker that dials in comes back after every stranger that is seen in the
// clear part. Passed on, each of them costs it its connection for good: ZAP's
// refusal within some ten times, the others at once.
func TestGuardedWorkersComeBack(t *testing.T) {
	t.Parallel()
	const rounds = 15
	text := func(steps ...string) func(*testing.T) net.Conn {
		return func(t *testing.T) net.Conn {
			t.Helper()
			client, we := tcpPair(t)
			go func() {
				for _, s := range steps {
					_, _ = we.Write([]byte(s))
				}
				_, _ = io.Copy(io.Discard, we)
			}()
			return client
		}
	}
	for _, c := range []struct {
		name   string
		client func(t *testing.T) net.Conn
		zap    string
		set    func(t *testing.T, p *peers)
	}{
		{"NULL: ZAP 400", null(zmq4.DEALER), "400", nil},
		{"NULL: wrong socket type", null(zmq4.PULL), "", nil},
		{"NULL: bad READY", text(greeting("NULL"), commandOf("READY", "\x05x")), "", nil},
		{"NULL: all at once", text(greeting("NULL") + readyOf("PUB") + "\x00\x01x"), "", nil},
		{"NULL: impossible length", text(greeting("NULL"), "\x06\xff\xff\xff\xff\xff\xff\xff\xff"), "", nil},
		{"NULL: ERROR", text(greeting("NULL"), commandOf("ERROR", "\x03400")), "", nil},
		{"NULL at CURVE", null(zmq4.DEALER), "", curved},
		{"ZMTP 2.0 at CURVE", text(signature3+"\x01", "\x05\x00\x00"), "", curved},
		{"ZMTP 1.0 at CURVE", text("\x01\x00"), "", curved},
		{"CURVE: HELLO of PLAIN", text(greeting("CURVE"), commandOf("HELLO", "\x00\x00")), "", curved},
		{"CURVE: INITIATE first", text(greeting("CURVE"), commandOf("INITIATE", strings.Repeat("i", 300))), "", curved},
		{"PLAIN: password too long", text(greeting("PLAIN"), commandOf("HELLO", "\x01u\x09p")), "200", plained},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPeers(t, zmq4.REQ, zmq4.ROUTER, c.zap)
			known := "NULL"
			if c.set != nil {
				c.set(t, p)
				known = "CURVE"
			}
			must(t, p.worker.SetReconnectIvl(10*time.Millisecond))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			must(t, p.worker.Connect("tcp://"+l.Addr().String()))
			for i := range rounds {
				_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
				worker, err := l.Accept()
				if err != nil {
					t.Fatalf("after %d strangers the worker stays away: %v", i, err)
				}
				client := c.client(t)
				var h Handshake
				h.Guard(known)
				_, _ = relay(&h, client, worker, 10*time.Second)
				client.Close()
				worker.Close()
			}
		})
	}
}

// tcpPair are the two ends of a connection.
func tcpPair(t *testing.T) (accepted, dialled net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	dialled, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	accepted, err = l.Accept()
	must(t, err)
	t.Cleanup(func() { accepted.Close(); dialled.Close() })
	return accepted, dialled
}

// null is a client of libzmq without any mechanism.
func null(kind zmq4.Type) func(*testing.T) net.Conn {
	return func(t *testing.T) net.Conn {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		s, err := zmq4.NewSocket(kind)
		must(t, err)
		_ = s.SetLinger(0)
		t.Cleanup(func() { _ = s.Close() })
		must(t, s.Connect("tcp://"+l.Addr().String()))
		client, err := l.Accept()
		must(t, err)
		return client
	}
}
