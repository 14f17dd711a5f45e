package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/stream"
)

const (
	// askTimeout bounds how long one request may wait for a loop.
	askTimeout = 2 * time.Second
	// reloadTimeout bounds RELOAD, which reads a file and asks all loops.
	reloadTimeout = 10 * time.Second
	// batch is how many requests are answered before ZAP has its turn.
	batch = 64
	// lingerTime is how long the last replies have to leave at the end.
	lingerTime = 200 * time.Millisecond
	// queued is how many requests of one connection wait for the server, and
	// unread how many replies for their caller. libzmq notices that replies have
	// left in steps of half of that, and looks for such notices once in a
	// millisecond, so twice MaxUnderWay was seen to be too few for a fast caller.
	queued = 128
	unread = 4 * MaxUnderWay
)

// Version says what is running.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	GoVersion string `json:"go"`
	Libzmq    string `json:"libzmq"`
}

// Proxy is what a control socket steers. Its functions are called on the
// server's goroutine and may take a moment.
type Proxy struct {
	Pools   []*stream.Pool // at least one, their names differ
	Version Version
	// Reload reads the configuration again; all of it comes into force, or
	// nothing and the error says why.
	Reload func(context.Context) error
	// Shutdown drains until the deadline, of the configuration if it is below zero.
	Shutdown func(deadline time.Duration)
	Level    *slog.LevelVar // of the log
}

// Server is a control socket. Its methods but Serve may be called from any goroutine.
type Server struct {
	cfg      Config
	proxy    Proxy
	feed     *Feed
	log      *slog.Logger
	verbs    map[string]*Verb
	steering map[string]bool // verbs that are logged
	counters *counters
	started  time.Time

	// Only the goroutine of Serve touches these (and Open, before).
	context  *zmq4.Context
	router   *zmq4.Socket
	zap      *zmq4.Socket
	pub      *zmq4.Socket // nil when no endpoint is an operator's
	cert     Cert
	keys     *keyring
	callers  *callers
	beats    []beat // gathered, see beat.go
	beatsDue time.Time
	paths    []string
	bound    []string
	eventsAt map[domain]string

	// answering is held while requests are taken and answered, so that the end,
	// which ends every call on the sockets, waits until whoever asked for it is answered.
	answering sync.Mutex
	over      bool // nothing is answered any more
}

// Open binds the endpoints. The error is one line, and nothing is left open. A
// server that is opened must be Served or Closed.
func Open(cfg Config, proxy Proxy, feed *Feed) (*Server, error) {
	listeners, err := cfg.listeners()
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	s := &Server{
		cfg: cfg, proxy: proxy, feed: feed, log: cfg.Log, verbs: map[string]*Verb{}, steering: steering(),
		counters: newCounters(), started: time.Now(), eventsAt: map[domain]string{},
	}
	for _, v := range Verbs() {
		s.verbs[v.Name] = &v
	}
	if err := s.open(listeners); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(listeners []listener) (err error) {
	if s.callers, err = newCallers(s.cfg.Rate); err != nil {
		return err
	}
	if s.cfg.Cert != "" {
		if s.cert, err = ReadCert(s.cfg.Cert); err == nil && s.cert.Secret == "" {
			err = fmt.Errorf("%s: has no secret-key", s.cfg.Cert)
		}
		if err == nil {
			s.keys, err = newKeyring(s.cfg.Clients)
		}
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
	}
	if s.context, err = zmq4.NewContext(); err != nil {
		return fmt.Errorf("control: libzmq: %w", err)
	}
	if err := s.sockets(); err != nil {
		return err
	}
	for _, l := range listeners {
		if err := s.listen(l); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) sockets() (err error) {
	if s.zap, err = s.context.NewSocket(zmq4.REP); err == nil {
		err = s.zap.Bind(zapEndpoint)
	}
	if err == nil {
		s.router, err = s.context.NewSocket(zmq4.ROUTER)
	}
	if err == nil {
		// A reply that cannot be sent is an error, and not dropped in silence.
		err = s.router.SetRouterMandatory(1)
	}
	if err == nil {
		s.pub, err = s.context.NewSocket(zmq4.PUB)
	}
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	for _, socket := range [...]*zmq4.Socket{s.router, s.pub} {
		err = errors.Join(err,
			socket.SetLinger(lingerTime), socket.SetMaxmsgsize(MaxFrame),
			socket.SetRcvhwm(queued), socket.SetSndhwm(unread))
	}
	return errors.Join(err, s.pub.SetSndhwm(feedSize), s.pub.SetLinger(0))
}

func (s *Server) listen(l listener) error {
	bound, err := s.bind(s.router, l, l.domain)
	if err != nil {
		return err
	}
	s.bound = append(s.bound, bound)
	if l.domain == domainNULL && s.cfg.LoopbackLevel < Operator {
		return nil
	}
	at, err := s.bind(s.pub, eventsOf(l), l.domain.events())
	if err != nil {
		return fmt.Errorf("%w (for the events of %s)", err, l.Endpoint)
	}
	if s.eventsAt[l.domain] == "" {
		s.eventsAt[l.domain] = at
	}
	return nil
}

// Bound are the endpoints that can be connected to, wildcard ports resolved.
func (s *Server) Bound() []string { return s.bound }

// Close releases a server that will never be Served.
func (s *Server) Close() {
	for _, socket := range [...]*zmq4.Socket{s.router, s.zap, s.pub} {
		if socket != nil {
			_ = socket.Close()
		}
	}
	if s.context != nil {
		_ = s.context.Term()
	}
	s.removePaths()
}

func (s *Server) removePaths() {
	for _, p := range s.paths {
		_ = os.Remove(p)
	}
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	others.Go(func() { s.feed.publish(ctx, s.pub) })
	others.Go(func() {
		<-ctx.Done()
		s.answering.Lock()
		s.over = true
		s.answering.Unlock()
		_ = s.context.Term() // has every call on the sockets return ETERM, and waits until they are closed
	})
	err := s.serve(ctx)
	cancel()
	_ = s.router.Close()
	_ = s.zap.Close()
	others.Wait()
	s.removePaths()
	return err
}

func (s *Server) serve(ctx context.Context) error {
	poller := zmq4.NewPoller()
	poller.Add(s.zap, zmq4.POLLIN)
	poller.Add(s.router, zmq4.POLLIN)
	for {
		ready, err := poller.Poll(s.patience())
		if err == nil || again(err) {
			err = s.attend(ctx, ready)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, zmq4.ETERM):
			return nil
		case err != nil && !again(err):
			return fmt.Errorf("control: %w", err)
		}
	}
}

// attend does what there is to do for the sockets that are ready.
func (s *Server) attend(ctx context.Context, ready []zmq4.Polled) error {
	s.answering.Lock()
	defer s.answering.Unlock()
	if s.over {
		return nil
	}
	for _, p := range ready {
		var err error
		if p.Socket == s.zap {
			err = s.authenticate()
		} else {
			err = s.receive(ctx)
		}
		if err != nil && !again(err) {
			return err
		}
	}
	return s.passBeats(ctx, false)
}

func again(err error) bool { return errors.Is(err, zmq4.Errno(syscall.EAGAIN)) }

// receive answers a batch of requests.
func (s *Server) receive(ctx context.Context) error {
	for range batch {
		m, err := s.read()
		if err != nil {
			return err
		}
		if err := s.answer(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// message is one message with its envelope.
type message struct {
	id            string
	envelope      [][]byte // goes back as it came
	frames        [][]byte // the request, bounded
	user, address string
}

// read takes one message and keeps as much of it as a request can have.
func (s *Server) read() (m message, err error) {
	id, err := s.router.RecvBytes(zmq4.DONTWAIT)
	if err != nil {
		return m, err
	}
	m.id = string(id)
	for first := true; ; first = false {
		more, err := s.router.GetRcvmore()
		if err != nil || !more {
			s.unwrap(&m)
			return m, err
		}
		var frame []byte
		if first { // the routing id is the ROUTER's own word and has no properties
			var properties map[string]string
			frame, properties, err = s.router.RecvBytesWithMetadata(zmq4.DONTWAIT, "User-Id", "Peer-Address")
			m.user, m.address = properties["User-Id"], properties["Peer-Address"]
		} else {
			frame, err = s.router.RecvBytes(zmq4.DONTWAIT)
		}
		if err != nil {
			return m, err
		}
		if len(m.frames) <= MaxFrames+maxEnvelope {
			m.frames = append(m.frames, frame)
		}
	}
}

// maxEnvelope bounds the frames of an envelope.
const maxEnvelope = 4

// unwrap takes off the envelope: everything up to an empty frame near the
// beginning. A REQ sends one empty frame, with ZMQ_REQ_CORRELATE a number before
// it; a DEALER as a rule nothing, and then the first frame is a verb.
func (s *Server) unwrap(m *message) {
	if len(m.frames) == 0 || s.verbs[string(m.frames[0])] != nil {
		return
	}
	for i, f := range m.frames[:min(len(m.frames), maxEnvelope)] {
		if len(f) == 0 {
			m.envelope, m.frames = m.frames[:i+1], m.frames[i+1:]
			return
		}
	}
}

// answer executes a request and replies, exactly once.
func (s *Server) answer(ctx context.Context, m message) error {
	now := time.Now()
	c := s.callers.of(m.id, m.user, m.address, now)
	if c.pending > 0 && (len(m.frames) == 0 || string(m.frames[0]) != "HEARTBEAT") {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	frames := s.execute(ctx, c, m, now)
	if frames == nil { // a heartbeat that was gathered
		return nil
	}
	if c.pending > 0 {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	return s.send(m, frames)
}

// send replies to a message. It never waits.
func (s *Server) send(m message, frames []any) error {
	envelope := []any{m.id}
	for _, f := range m.envelope {
		envelope = append(envelope, f)
	}
	_, err := s.router.SendMessageDontwait(append(envelope, frames...)...)
	switch {
	case again(err): // it does not read
		s.counters.unread.Add(1)
	case errors.Is(err, zmq4.Errno(syscall.EHOSTUNREACH)): // it has gone
	default:
		return err
	}
	return nil
}

// execute is everything about a request but its envelope. nil stands for a
// heartbeat, whose reply comes later.
func (s *Server) execute(ctx context.Context, from *caller, m message, now time.Time) []any {
	r, err := ParseRequest(m.frames)
	if !s.callers.admit(from, now) {
		err = refuse(SlowDown, "more than %d requests a second", s.cfg.Rate)
		if !from.silenced {
			from.silenced = true
			s.log.Warn("control: a caller is too fast", "address", from.address, "caller", from.who)
		}
	}
	if r.Verb != "HEARTBEAT" { // which has all its time when it is passed on
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout(r.Verb))
		defer cancel()
	}
	c := &call{ctx: ctx, server: s, caller: from}
	var answer Reply
	if err == nil {
		if words, was := steerable(c, r.Verb, m.frames); was {
			s.counters.count(r.Verb, OK)
			s.note(c, r, Reply{Code: OK, Text: "OK"})
			return words
		}
		s.renew(c, now)
		var v *Verb
		if v, err = s.understand(c, r); err == nil && v.run == nil {
			if err = s.gather(c, m); err == nil {
				return nil
			}
		} else if err == nil {
			answer, err = v.run(c)
		}
	}
	if err != nil {
		answer = failure(err)
	}
	s.counters.count(r.Verb, answer.Code)
	s.note(c, r, answer)
	return answer.frames()
}

// timeout bounds a request of that verb.
func timeout(verb string) time.Duration {
	if verb == "RELOAD" {
		return reloadTimeout
	}
	return askTimeout
}

// understand finds the verb of a request that is well-formed, and its arguments.
func (s *Server) understand(c *call, r Request) (*Verb, error) {
	v := s.verbs[r.Verb]
	if v == nil {
		text := fmt.Sprintf("no verb %q, HELP lists them", r.Verb)
		if s.verbs[strings.ToUpper(r.Verb)] != nil {
			text = fmt.Sprintf("no verb %q: verbs are upper case", r.Verb)
		}
		return nil, refuse(UnknownVerb, "%s", text)
	}
	if c.caller.level < v.Level {
		return nil, refuse(Forbidden, "%s is for the level %s, and you are %s", v.Name, v.Level, c.caller.level)
	}
	var err error
	if c.args, c.options, err = v.arguments(r.Args); err != nil {
		return nil, err
	}
	return v, nil
}

// renew has anything that a caller says renew what it said HELLO for.
func (s *Server) renew(c *call, now time.Time) {
	if len(c.caller.identities) == 0 || now.Sub(c.caller.renewed) < renewEvery {
		return
	}
	c.caller.renewed = now
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	for _, p := range s.proxy.Pools {
		if names := c.caller.identities[p.Name()]; len(names) > 0 {
			if err := p.Renew(ctx, names); err != nil {
				s.log.Warn("control: leases were not renewed", "pool", p.Name(), "error", err)
			}
		}
	}
}

// note logs what operators do and what goes wrong.
func (s *Server) note(c *call, r Request, answer Reply) {
	level := slog.LevelDebug
	if answer.Code == Failed || s.steering[r.Verb] && answer.Code < Malformed {
		level = slog.LevelInfo
	}
	if !s.log.Enabled(c.ctx, level) {
		return
	}
	s.log.Log(c.ctx, level, "control", "verb", r.Verb, "args", strings.Join(r.Args, " "), "code", int(answer.Code),
		"text", answer.Text, "level", c.caller.level.String(), "address", c.caller.address, "caller", c.caller.who)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
