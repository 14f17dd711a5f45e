//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/handover"
)

// A running proxy starts the program that is now at its path, with its own arguments, and
// hands everything over to it: package handover has the conversation.

// handoverVariable tells a process that it is to go on in the place of the one that has
// started it: the number of the descriptor by which they speak.
const handoverVariable = "STREAMQ_PROXY_HANDOVER"

const (
	// openTimeout is how long the successor may take until it has read the file and bound
	// everything; nobody notices.
	openTimeout = 15 * time.Second
	// readyTimeout is how long it may take to put everything in place. Open pairs go on; who
	// comes, or is in a handshake, waits.
	readyTimeout = 10 * time.Second
	// takeTimeout is how long it may take until it goes on with the open pairs, which stand still.
	takeTimeout = 2 * time.Second
	// pauseTimeout is for the loops to stand still.
	pauseTimeout = 5 * time.Second
)

// hello is what the successor says first.
type hello struct {
	Format  int
	Version string // of the program
}

// offer are the listeners: their descriptors are in this order.
type offer struct {
	Format   int
	Pools    []offeredPool
	Control  []control.Listener
	HTTP     string // its address, "" for none
	Upgrades map[string]uint64
}

type offeredPool struct {
	Name string
	stream.Listeners
}

// belongings are everything else but what is in motion.
type belongings struct {
	Pools  []stream.SavedPool
	Groups map[string]pairing.SavedGroup
	Found  []discovery.Kept
}

// successor is the process that is to go on in this one's place.
type successor struct {
	channel *handover.Channel
	cmd     *exec.Cmd
	ended   chan error // of the process

	late sync.Mutex // held by the pool that speaks
}

// errHandedOver: there is nothing any more that could be handed over.
var errHandedOver = errors.New("another process has taken over already")

// upgrade starts a successor and hands over to it. If anything fails this process goes on
// as before, and the error says why.
func (s *server) upgrade(ctx context.Context) error {
	err := s.tryUpgrade(ctx)
	s.upgrades.Done(err)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		s.log.Error("not upgraded, nothing has changed", "error", line)
	}
	return err
}

func (s *server) tryUpgrade(ctx context.Context) error {
	switch {
	case s.handedOver():
		return errHandedOver
	case s.ending.Load():
		return errEnding
	case s.program == "":
		return errors.New("the path of this program is unknown: is /proc mounted?")
	case os.Getpid() == 1:
		return errors.New("this is process 1 of its container, which ends with it: start another container in its place")
	case endsWithSystemd():
		return errors.New("systemd takes this process for the whole service, and would end its successor: the unit needs Type=notify")
	}
	started := time.Now()
	n, err := s.startSuccessor()
	if err != nil {
		return err
	}
	if err := s.handOver(ctx, n, started); err != nil {
		_ = n.kill() // err says why
		return err
	}
	return nil
}

func (s *server) startSuccessor() (*successor, error) {
	channel, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	cmd := exec.Command(s.program, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // the first is descriptor 3
	cmd.Env = append(os.Environ(), handoverVariable+"=3", "WATCHDOG_PID=")
	if err := cmd.Start(); err != nil {
		channel.Close()
		return nil, fmt.Errorf("starting %s: %w", s.program, err)
	}
	n := &successor{channel: channel, cmd: cmd, ended: make(chan error, 1)}
	go func() { n.ended <- cmd.Wait() }()
	s.log.Info("upgrade: a successor is started", "program", s.program, "process", cmd.Process.Pid)
	return n, nil
}

// kill ends a successor that has taken nothing, and says how it has ended.
func (n *successor) kill() error {
	defer n.channel.Close()
	_ = n.cmd.Process.Kill() // it may have ended by itself
	return <-n.ended
}

// why turns the end of the conversation into what has become of the successor.
func (n *successor) why(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		select {
		case ended := <-n.ended:
			n.ended <- ended
			if ended == nil {
				ended = errors.New("exit status 0")
			}
			return fmt.Errorf("the successor has ended: %w", ended)
		case <-time.After(time.Second):
		}
		return errors.New("the successor hung up")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the successor does not answer")
	}
	return err
}

// handOver is the conversation.
func (s *server) handOver(ctx context.Context, n *successor, started time.Time) error {
	n.channel.Until(time.Now().Add(openTimeout))
	m, err := n.channel.Expect(handover.Hello)
	var who hello
	if err == nil {
		err = m.Read(&who)
	}
	if err == nil && who.Format != handover.Version {
		err = fmt.Errorf("the successor, %s, speaks version %d of the hand-over's format, not %d: restart in place of an upgrade", who.Version, who.Format, handover.Version)
	}
	if err == nil {
		err = s.offer(n)
	}
	if err == nil {
		_, err = n.channel.Expect(handover.Opened)
	}
	if err != nil {
		return n.why(err)
	}
	if s.ending.Load() {
		return errEnding
	}
	all, err := s.freeze(ctx)
	if err != nil {
		return err
	}
	frozen := time.Now()
	stood, err := s.give(n, all)
	if err != nil {
		for _, h := range all {
			h.Thaw()
		}
		return n.why(err)
	}
	s.retire(n, all)
	s.log.Info("handed over", "process", n.cmd.Process.Pid, "version", who.Version,
		"took", time.Since(started).Round(time.Millisecond), "loops-stood", time.Since(frozen).Round(time.Millisecond), "pairs-stood", stood.Round(10*time.Microsecond))
	return nil
}

// offer sends the listeners.
func (s *server) offer(n *successor) error {
	o, fds := offer{Format: handover.Version, Upgrades: s.upgrades.Counts()}, []int(nil)
	for _, p := range s.pools {
		one := offeredPool{p.Name(), p.Listeners()}
		for _, l := range one.All() {
			fds = append(fds, l.FD)
		}
		o.Pools = append(o.Pools, one)
	}
	if s.control != nil {
		o.Control = s.control.Listeners()
		for _, l := range o.Control {
			fds = append(fds, l.FD)
		}
	}
	if s.http != nil {
		f, err := s.http.file()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		o.HTTP, fds = s.plan.HTTP, append(fds, int(f.Fd()))
	}
	return n.channel.Send(handover.Offer, o, nil, fds)
}

// freeze has all loops stand still, or none.
func (s *server) freeze(ctx context.Context) (all []*stream.Handover, err error) {
	ctx, cancel := context.WithTimeout(ctx, pauseTimeout)
	defer cancel()
	for _, p := range s.pools {
		h, err := p.HandOver(ctx)
		if err != nil {
			for _, h := range all {
				h.Thaw()
			}
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// give sends everything. Without an error it is the successor's; stood is for how long open
// pairs stood still.
func (s *server) give(n *successor, all []*stream.Handover) (stood time.Duration, err error) {
	n.channel.Until(time.Now().Add(readyTimeout))
	b, fds := belongings{Groups: map[string]pairing.SavedGroup{}, Found: s.discovery.Kept()}, []int(nil)
	for i, h := range all {
		saved, more := h.Save()
		b.Pools, fds = append(b.Pools, saved), append(fds, more...)
		if g := s.pools[i].InGroup(); g != nil {
			b.Groups[g.Name()] = g.Save()
		}
	}
	if err := n.channel.Send(handover.Pool, b, nil, fds); err != nil {
		return 0, err
	}
	if _, err := n.channel.Expect(handover.Ready); err != nil {
		return 0, err
	}
	begun := time.Now()
	n.channel.Until(begun.Add(takeTimeout))
	var motions [][]stream.Motion
	var blob []byte
	for _, h := range all {
		one, rest := h.Stop()
		motions, blob = append(motions, one), append(blob, rest...)
	}
	if err := n.channel.Send(handover.Motion, motions, blob, nil); err != nil {
		return 0, err
	}
	if _, err := n.channel.Conclude(handover.Taken); err != nil {
		return 0, err
	}
	return time.Since(begun), nil
}

// retire has the pools keep what could not go along, until it can or ends.
func (s *server) retire(n *successor, all []*stream.Handover) {
	for _, h := range all {
		h.Retire(n.giveLate)
	}
	if s.control != nil {
		s.control.Leave()
	}
	tellSystemd("MAINPID=" + strconv.Itoa(n.cmd.Process.Pid))
	close(s.succeeded)
	if s.ending.Load() { // whoever said so in the meantime did not mean one of the two
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
	}
}

// giveLate is a [stream.Late].
func (n *successor) giveLate(late *stream.LatePeers, blob []byte, descriptors []int) error {
	n.late.Lock()
	defer n.late.Unlock()
	n.channel.Until(time.Now().Add(readyTimeout))
	err := n.channel.Send(handover.Late, late, blob, descriptors)
	if err == nil {
		_, err = n.channel.Conclude(handover.Taken)
	}
	return n.why(err)
}

// untilSucceeded is a context that ends when another process has taken over, too.
func (s *server) untilSucceeded(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-s.succeeded:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// endUnlessSucceeded ends the pools for the want of something, unless another process has it.
func (s *server) endUnlessSucceeded(end func()) {
	if !s.handedOver() {
		end()
	}
}

// handedOver: another process has what this one had.
func (s *server) handedOver() bool {
	select {
	case <-s.succeeded:
		return true
	default:
		return false
	}
}
