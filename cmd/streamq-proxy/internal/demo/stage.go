package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// stage is all that is there before the first client: the workers, and the pool
// before them, bound and not yet run.
type stage struct {
	peers    *zmq4.Context // of the clients and workers
	context  *stream.Context
	pool     *stream.Pool
	ran      bool // the pool, which has then closed itself
	server   keys // all workers share one key: a client picks it before it is paired
	workers  []*worker
	frontend string
	backend  string
	glass    *glass
	closed   int // socket of the failing worker's port, 0 for none
}

// newStage makes everything, or nothing.
func newStage(o Options) (*stage, error) {
	s := &stage{glass: newGlass()}
	if err := s.open(o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) open(o Options) error {
	var err error
	if s.server, err = newKeys(); err != nil {
		return err
	}
	if s.peers, err = zmq4.NewContext(); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	// A closed socket counts until libzmq has reaped it.
	if err := s.peers.SetMaxSockets(2*MaxClients + MaxWorkers); err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	if err := s.openWorkers(o); err != nil {
		return err
	}
	if err := s.openPool(o); err != nil {
		return err
	}
	for _, w := range s.workers {
		if !w.dialsIn {
			continue
		}
		if err := w.dial(s.backend, o.slots()); err != nil {
			return err
		}
	}
	return nil
}

// openWorkers makes those that listen first and those that dial in last.
func (s *stage) openWorkers(o Options) error {
	for i := range o.Workers {
		name := fmt.Sprintf("w%d", i+1)
		var w *worker
		var err error
		switch {
		case i >= o.Workers-o.dialIn():
			w, err = newDialling(s.peers, s.server, name, fmt.Sprintf("127.0.0.%d", i+2))
		case i%2 == 0:
			w, err = newListening(s.peers, s.server, name, zmq4.ROUTER)
		default:
			w, err = newListening(s.peers, s.server, name, zmq4.REP)
		}
		if err != nil {
			return err
		}
		s.workers = append(s.workers, w)
	}
	return nil
}

// openPool opens the pool as `streamq-proxy run` would with one --frontend, one
// --backend and a --worker for each worker that listens.
func (s *stage) openPool(o Options) error {
	cfg := stream.DefaultConfig()
	cfg.Name, cfg.Events = "demo", s.glass.record
	if o.Held {
		fd, endpoint, err := closedPort()
		if err != nil {
			return err
		}
		s.closed = fd
		cfg.Workers = append(cfg.Workers, pairing.WorkerConfig{Name: failingWorker, Endpoint: endpoint})
	}
	for _, w := range s.workers {
		if !w.dialsIn {
			cfg.Workers = append(cfg.Workers, pairing.WorkerConfig{Name: w.name, Endpoint: w.endpoint})
		}
	}
	var err error
	if s.context, err = stream.NewContext(1, o.RelayThreads); err != nil {
		return err
	}
	err = listen(func(port int) error {
		cfg.Frontend = []string{fmt.Sprint("tcp://127.0.0.1:", port)}
		if port != 0 {
			port++
		}
		cfg.Backend = []string{fmt.Sprint("tcp://127.0.0.1:", port)}
		s.pool, err = stream.Open(s.context, cfg)
		return err
	})
	if err != nil {
		return err
	}
	frontend, backend := s.pool.Bound()
	s.frontend, s.backend = loopback(frontend[0]), loopback(backend[0])
	return s.glass.open(s.pool, o.Version, o.Held)
}

// troubles are what a held demo has happen.
func (s *stage) troubles(o Options) *troubles {
	return &troubles{pool: s.pool, zctx: s.peers, server: s.server, frontend: s.frontend, drainEvery: o.drainEvery, drainFor: o.drainFor}
}

// loopback is a bound endpoint in the spelling that every client takes: a socket
// with IPv6 says [::ffff:127.0.0.1], which one without does not understand.
func loopback(bound string) string {
	_, port := cutPort(bound)
	return "tcp://127.0.0.1:" + port
}

// awaitSlots waits until every worker that dials in is a slot, so that the first
// clients already meet all workers; not for long, since clients can also wait.
func (s *stage) awaitSlots(ctx context.Context, o Options) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		snapshot, err := s.pool.Snapshot(ctx)
		if err != nil || snapshot.Stats.Slots >= o.dialIn()*o.slots() {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// close releases what is there, once nothing of it runs any more.
func (s *stage) close() {
	s.glass.close()
	if s.closed != 0 {
		_ = unix.Close(s.closed)
	}
	if s.pool != nil && !s.ran {
		s.pool.Close()
	}
	for _, w := range s.workers {
		w.close()
	}
	if s.context != nil {
		_ = s.context.Close()
	}
	if s.peers != nil {
		_ = s.peers.Term()
	}
}
