package control

import (
	"context"
	"encoding/json"
	"sync/atomic"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/stream"
)

// feedSize is how many events may wait to be published.
const feedSize = 8192

// Feed takes events from the loops of pools to a server's PUB socket. It is made
// before the pools are, and the server after them.
type Feed struct {
	events chan stream.Event
	lost   atomic.Uint64
}

// NewFeed makes an empty feed.
func NewFeed() *Feed { return &Feed{events: make(chan stream.Event, feedSize)} }

// Record is a pool's [stream.Config.Events]. It never blocks: what does not fit
// is dropped, and counted.
func (f *Feed) Record(e stream.Event) {
	select {
	case f.events <- e:
	default:
		f.lost.Add(1)
	}
}

// Lost is how many events were dropped.
func (f *Feed) Lost() uint64 { return f.lost.Load() }

// publish sends events until ctx ends. It owns the socket.
func (f *Feed) publish(ctx context.Context, pub *zmq4.Socket) {
	defer func() { _ = pub.Close() }()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-f.events:
			text, err := json.Marshal(EventOf(e))
			if err != nil {
				panic("control: an event is no JSON: " + err.Error())
			}
			if _, err := pub.SendMessageDontwait(e.Topic, text); err != nil {
				f.lost.Add(1)
			}
		}
	}
}
