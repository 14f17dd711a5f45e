package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/pebbe/zmq4"
)

// batch is how many requests are answered before ZAP has its turn.
const batch = 64

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	publishing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var others sync.WaitGroup
	others.Go(func() { s.feed.publish(publishing, s.pub) })
	for _, m := range s.monitors {
		others.Go(func() { s.listenTo(m) })
	}
	others.Go(func() {
		<-ctx.Done()
		s.answering.Lock()
		s.over = true
		s.answering.Unlock()
		_ = s.context.Term() // has every call on the sockets return ETERM, and waits until they are closed
	})
	err := s.serve(ctx)
	cancel()
	stop()
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
