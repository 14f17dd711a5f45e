package stream

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/inuse"
	"github.com/streamq/streamq-proxy/stream/sockdiag"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// Waiting is not always kind: a libzmq client that was connected once, and is accepted
// and not answered, can neither back off nor go elsewhere, and cannot end its context
// (zmq_ctx_term(3), ZMQ_LINGER -1) until its ZMQ_HANDSHAKE_IVL is over. So a pool may
// close its ports while it has no worker: clients are then refused by the kernel, which
// is what libzmq's back-off goes by.
//
//	accepting --no usable worker, and none expected back, or for NoWorkerWait--> refusing
//	    ^----------------------------- a usable worker ------------------------------+
//
// A unix socket that was shut never listens again. So over ipc clients are accepted, end
// with no-worker and are held, as all are that are refused (hold.go).
type closure struct {
	on      bool
	since   time.Duration // when there was a usable worker last, or the pool began
	met     bool          // there was one
	waiting bool          // there is none, and the ports are open yet
	told    bool          // of a port that cannot be opened again
	again   time.Duration // when that is tried again
}

// openAgain is how long a port that is another's is left alone.
const openAgain = time.Second

// DefaultNoWorkerWait is long enough for a worker that is started anew.
const DefaultNoWorkerWait = 3 * time.Second

// next is when the ports may have to be closed, or can perhaps be opened.
func (r *closure) next(wait time.Duration) (at time.Duration, ok bool) {
	if r.told {
		return r.again, true
	}
	return r.since + wait, r.waiting
}

// tendPorts closes the ports for want of a worker, or opens them again.
func (l *loop) tendPorts() {
	r := &l.refusing
	if l.draining.on || l.retired.on {
		r.waiting, r.told = false, false
		return
	}
	usable := l.table.Usable()
	if usable || !l.cfg.RefuseWithoutWorker {
		r.since, r.met, r.waiting = l.clock, r.met || usable, false
		if r.on {
			l.openPorts()
		}
		return
	}
	r.waiting, r.told = !r.on, false
	if !r.on && l.clock-r.since < l.cfg.NoWorkerWait && (!r.met || l.table.Expected(l.clock)) {
		return
	}
	if !r.on {
		r.on, r.waiting = true, false
		l.closePorts()
	}
	l.act(l.table.EndWaiting(l.clock, pairing.NoWorker))
	l.settle()
}

func (l *loop) closePorts() {
	l.cfg.Log.Warn("no worker: the frontend's ports are closed until there is one", "pool", l.fixed.Name)
	if err := shutAll(l.frontend.ports()); err != nil {
		l.cfg.Log.Error("closing a port for want of a worker", "pool", l.fixed.Name, "error", err)
	}
}

// openPorts has the ports listen again. One that is another's meanwhile, as only one can be
// that the kernel had chosen, is tried again and again.
func (l *loop) openPorts() {
	r := &l.refusing
	if r.told && l.clock < r.again {
		return
	}
	r.again = l.clock + openAgain
	switch failed := openAll(l.frontend.ports()); {
	case failed == nil:
		r.on, r.told = false, false
		l.cfg.Log.Info("a worker is there: the frontend's ports are open", "pool", l.fixed.Name)
	case !r.told:
		r.told = true
		l.tellTaken(failed)
	}
}

// lookFor is how long it may take to find out who has a port: some microseconds for each descriptor of the machine.
const lookFor = 15 * time.Second

// tellTaken logs that ports are another's, and whose. It looks through /proc, which may take longer than the loop has.
func (l *loop) tellTaken(failed error) {
	taken, pool, log := l.takenPorts(), l.fixed.Name, l.cfg.Log
	go func() {
		var by []string
		for _, port := range taken {
			if name, pid := inuse.Process(port.inode, lookFor); pid != 0 {
				by = append(by, fmt.Sprintf("%v: %s, pid %d", port.at, name, pid))
			}
		}
		log.Error("a port cannot be opened again", "pool", pool, "error", failed, "by", strings.Join(by, "; "))
	}()
}

// takenPort is a port of the pool's that another socket listens at.
type takenPort struct {
	at    netip.AddrPort
	inode uint64 // of that socket
}

func (l *loop) takenPorts() (all []takenPort) {
	for _, fd := range l.frontend.ports() {
		at := sockets.OwnEnd(fd)
		inode, _ := sockdiag.Listener(at)
		var own unix.Stat_t
		if inode == 0 || unix.Fstat(fd, &own) == nil && own.Ino == inode {
			continue
		}
		all = append(all, takenPort{at, inode})
	}
	return all
}

// ports are the descriptors of the listeners over TCP.
func (s *socket) ports() (all []int) {
	for _, fd := range s.listeners {
		if sockets.OwnEnd(fd).IsValid() {
			all = append(all, fd)
		}
	}
	return all
}

// turnedAway: c's port is closed, so that its client, which is told by it, need not be held.
func (l *loop) turnedAway(c *conn) bool {
	return l.refusing.on && sockets.PeerEnd(c.link.descriptor()).IsValid()
}
