package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// What a demo that is held shows of what goes wrong in a day.
const (
	failingWorker = "failing"
	wrongKey      = "wrong-key"
	slowReader    = "slow-reader"
	drained       = "w2"
	// first is a worker that listens: one that dials in loses a connection for good to each client that it refuses.
	first = "w1"
	// The addresses by which the two clients are known.
	wrongKeyAddress, slowReaderAddress = "127.0.0.201", "127.0.0.202"

	wrongKeyEvery = 2 * time.Second
	slowlyEvery   = 500 * time.Millisecond // it reads one reply
	slowlyAtOnce  = 64                     // replies that it has asked for
	slowlySize    = 256 << 10              // bytes of each
)

// troubles are what they need.
type troubles struct {
	pool     *stream.Pool
	zctx     *zmq4.Context
	server   keys
	frontend string

	drainEvery, drainFor time.Duration
}

// closedPort takes a port at which every connection is refused, and nobody else can listen.
func closedPort() (fd int, endpoint string, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, "", fmt.Errorf("worker %s: %w", failingWorker, err)
	}
	err = listen(func(port int) error {
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		at, err := unix.Getsockname(fd)
		if err == nil {
			endpoint = fmt.Sprint("tcp://127.0.0.1:", at.(*unix.SockaddrInet4).Port)
		}
		return err
	})
	return fd, endpoint, err
}

// run has them happen until ctx ends.
func (t *troubles) run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return t.knockWithTheWrongKey(ctx) })
	all.Go(func() error { return t.readSlowly(ctx) })
	all.Go(func() error { return t.drainNowAndThen(ctx) })
	return all.Wait()
}

// pause waits, and says whether there is still something to do.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// name has the next connection from an address be an identity's, which prefers a worker that listens.
func (t *troubles) name(ctx context.Context, identity, address string) error {
	return ended(ctx, t.pool.Hint(ctx, pairing.Hint{Identity: identity, Address: address, Prefer: []string{first}}))
}

// ended is no error of what only failed because everything ends.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// connect makes a client with a server's key, which comes from an address.
func (t *troubles) connect(kind zmq4.Type, address, server string) (*zmq4.Socket, error) {
	own, err := newKeys()
	if err != nil {
		return nil, err
	}
	s, err := t.zctx.NewSocket(kind)
	if err != nil {
		return nil, err
	}
	_, port := cutPort(t.frontend)
	err = errors.Join(s.SetLinger(lingerTime), s.SetRcvtimeo(heed), s.SetSndtimeo(heed), s.SetRcvhwm(1), s.SetRcvbuf(64<<10),
		s.SetReconnectIvl(time.Minute), s.ClientAuthCurve(server, own.public, own.secret))
	if err == nil {
		err = s.Connect(fmt.Sprintf("tcp://%s:0;127.0.0.1:%s", address, port))
	}
	if err != nil {
		_ = s.Close()
	}
	return s, err
}

// knockWithTheWrongKey is a client that has another server's key than the workers.
func (t *troubles) knockWithTheWrongKey(ctx context.Context) error {
	other, err := newKeys()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := t.name(ctx, wrongKey, wrongKeyAddress); err != nil {
			return err
		}
		s, err := t.connect(zmq4.DEALER, wrongKeyAddress, other.public)
		if err != nil {
			return fmt.Errorf("%s: %w", wrongKey, err)
		}
		pause(ctx, wrongKeyEvery)
		_ = s.Close()
	}
	return nil
}

// readSlowly is a client that asks for more than it reads: the bytes wait in its own pair, and delay no other.
func (t *troubles) readSlowly(ctx context.Context) error {
	if err := t.name(ctx, slowReader, slowReaderAddress); err != nil {
		return err
	}
	s, err := t.connect(zmq4.DEALER, slowReaderAddress, t.server.public)
	if err != nil {
		return fmt.Errorf("%s: %w", slowReader, err)
	}
	defer func() { _ = s.Close() }()
	question := make([]byte, slowlySize)
	copy(question, mark)
	for asked, heard, silent := 0, 0, 0; ctx.Err() == nil; {
		// REP wants an empty delimiter, and ROUTER sends it back.
		if asked-heard < slowlyAtOnce {
			if _, err := s.SendMessage("", question); err == nil {
				asked++
				continue
			}
		}
		if !pause(ctx, slowlyEvery) {
			break
		}
		if _, err := s.RecvMessageBytes(0); err == nil {
			heard, silent = heard+1, 0
		} else if silent++; silent > slowlyAtOnce { // its pair was ended, and with it all that it had asked for
			heard = asked
		}
	}
	return nil
}

// drainNowAndThen takes a worker out of service for a while, as for an update of it.
func (t *troubles) drainNowAndThen(ctx context.Context) error {
	for pause(ctx, t.drainEvery-t.drainFor) {
		if err := t.pool.SetWorkerState(ctx, drained, pairing.Draining); err != nil {
			return ended(ctx, err)
		}
		pause(ctx, t.drainFor)
		if err := t.pool.SetWorkerState(ctx, drained, pairing.Ready); err != nil {
			return ended(ctx, err)
		}
	}
	return nil
}
