package stream

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// unknowing are others who know nobody, and count how often they are asked who a client is.
type unknowing struct {
	Shared
	asked atomic.Int64
}

func (u *unknowing) Identify(pairing.Origin, pairing.Who, func(pairing.Heard, time.Time, *pairing.Recollection)) bool {
	u.asked.Add(1)
	return false
}

func (*unknowing) Recall(pairing.Who, func(pairing.Recollection)) (now pairing.Recollection, asked bool) {
	return now, false
}

func (*unknowing) Remember(pairing.Who, string, time.Duration) {}
func (*unknowing) Say(pairing.Saying, time.Duration)           {}
func (*unknowing) Said(context.Context, pairing.Saying)        {}

// TestWhoIsNamedIsNotAskedFor: others are asked who a client is, again while it has no name, and no more when it has one: it would
// take the name that waits for somebody else.
func TestWhoIsNamedIsNotAskedFor(t *testing.T) {
	others := &unknowing{}
	r := newRig(t, func(c *Config) {
		c.Shared, c.Pairing.SharedWait, c.Pairing.HintWait, c.Pairing.HintMax, c.Pairing.HintTTL = others, time.Second, 29*time.Second, 10, time.Hour
	})
	client := r.client()
	send(t, client, nullPeer())
	eventually(t, "others are asked again", func() bool { return others.asked.Load() > 1 })
	if err := r.pool.Hint(t.Context(), pairing.Hint{Identity: "ann", Endpoint: client.LocalAddr().String()}); err != nil {
		t.Fatal(err)
	}
	named, err := r.pool.Identity(t.Context(), "ann")
	if err != nil || named == nil || len(named.Peers) != 1 {
		t.Fatalf("ann is %+v, %v", named, err)
	}
	asked, err := query(t.Context(), r.pool, func(l *loop) bool {
		before := others.asked.Load()
		l.identify(named.Peers[0].ID, pairing.Who{}, false)
		return others.asked.Load() > before
	})
	if err != nil || asked {
		t.Errorf("others are asked who ann is: %v, %v", asked, err)
	}
}
