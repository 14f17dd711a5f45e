package stream

import (
	"context"
	"fmt"
	"net"
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

// knowing are others who say at once who a client is, and along with that which worker it had last, unless that is nil; they count
// how often they are asked for that.
type knowing struct {
	unknowing
	identity string
	had      *pairing.Recollection
	recalled atomic.Int64
}

func (k *knowing) Identify(from pairing.Origin, _ pairing.Who, told func(pairing.Heard, time.Time, *pairing.Recollection)) bool {
	told(pairing.Heard{Saying: pairing.Saying{Endpoint: from.Endpoint, Identity: k.identity}, Known: true}, time.Now(), k.had)
	return true
}

func (k *knowing) Recall(pairing.Who, func(pairing.Recollection)) (now pairing.Recollection, asked bool) {
	k.recalled.Add(1)
	return pairing.Recollection{Worker: "w2", Known: true}, false
}

// TestForetold: which worker a client had last is not asked for where others have said it along with who the client is; it is where
// they have not, or where it is somebody else than was asked about.
func TestForetold(t *testing.T) {
	w1, w2 := &pairing.Recollection{Worker: "w1", Known: true}, &pairing.Recollection{Worker: "w2", Known: true}
	for what, is := range map[string]struct {
		identity string
		had      *pairing.Recollection
		worker   int // the first of the policy is w1
		asked    int64
	}{
		"foretold":                    {"", w2, 1, 0},
		"foretold to have had none":   {"", &pairing.Recollection{Known: true}, 0, 0},
		"foretold not to be known":    {"", &pairing.Recollection{}, 0, 0},
		"not foretold":                {"", nil, 1, 1},
		"of somebody with a name":     {"ann", w1, 1, 1},
		"of a name, and not foretold": {"ann", nil, 1, 1},
	} {
		t.Run(what, func(t *testing.T) {
			others := &knowing{identity: is.identity, had: is.had}
			var accept [2]func() net.Conn
			var workers []pairing.WorkerConfig
			for i := range accept {
				var endpoint string
				endpoint, accept[i] = listeningWorker(t)
				workers = append(workers, pairing.WorkerConfig{Name: fmt.Sprint("w", i+1), Endpoint: endpoint})
			}
			r := newRig(t, func(c *Config) {
				c.Backend, c.Workers, c.Shared = nil, workers, others
				c.Pairing.SharedWait, c.Pairing.HintMax, c.Pairing.HintTTL = 29*time.Second, 10, time.Hour
				c.Pairing.AffinityBySource, c.Pairing.AffinityMax, c.Pairing.AffinityTTL = true, 10, time.Hour
			})
			send(t, r.client(), nullPeer())
			accept[is.worker]()
			if n := others.recalled.Load(); n != is.asked {
				t.Errorf("others are asked %d times which worker it had, not %d times", n, is.asked)
			}
		})
	}
}
