package api

import (
	"bytes"
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/stream"
)

// mostListeners bounds the streams of server-sent events, of both kinds together. They
// leave most of the HTTP server's connections to probes and scrapes.
const mostListeners = 64

// hub sends what it is given to all that listen.
type hub struct {
	mutex     sync.Mutex
	listeners map[*listener]bool
	queued    int // of a listener, at most
	count     atomic.Int32
}

// listener is one stream of server-sent events.
type listener struct {
	frames chan []byte
	lost   atomic.Uint64 // that did not fit
}

func newHub(queued int) *hub { return &hub{listeners: map[*listener]bool{}, queued: queued} }

func (h *hub) empty() bool { return h.count.Load() == 0 }

// join adds a listener.
func (h *hub) join() *listener {
	l := &listener{frames: make(chan []byte, h.queued)}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.listeners[l] = true
	h.count.Add(1)
	return l
}

func (h *hub) leave(l *listener) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.listeners, l)
	h.count.Add(-1)
}

// send never waits: what does not fit is lost to that listener, and counted.
func (h *hub) send(frame []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for l := range h.listeners {
		select {
		case l.frames <- frame:
		default:
			l.lost.Add(1)
		}
	}
}

// frame is a server-sent event whose data is JSON.
func frame(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic("api: an answer is no JSON: " + err.Error())
	}
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(text) // on one line: JSON escapes line ends
	b.WriteString("\n\n")
	return b.Bytes()
}

const (
	// eventsQueued may wait to be sent to all.
	eventsQueued = 1024
	// eventsUnread may wait for one listener.
	eventsUnread = 256
)

// Events takes events from the loops of pools to those who listen. It is made before the
// pools are, and the server after them.
type Events struct {
	hub   *hub
	queue chan stream.Event
	lost  atomic.Uint64
}

// NewEvents makes one to which nobody listens.
func NewEvents() *Events {
	return &Events{hub: newHub(eventsUnread), queue: make(chan stream.Event, eventsQueued)}
}

// Record is a pool's [stream.Config.Events]. It never blocks, and while nobody listens it
// does nothing. What does not fit is dropped, and counted.
func (e *Events) Record(one stream.Event) {
	if e.hub.empty() {
		return
	}
	select {
	case e.queue <- one:
	default:
		e.lost.Add(1)
	}
}

// publish sends an event to those who listen.
func (e *Events) publish(one stream.Event) {
	if e.hub.empty() {
		return
	}
	e.hub.send(frame(one.Topic, Event{one.Topic, control.EventOf(one)}))
}
