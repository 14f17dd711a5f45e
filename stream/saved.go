package stream

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unique"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/proxyproto"
	"github.com/streamq/streamq-proxy/stream/splice"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// Listener is a listening socket that another process has made.
type Listener struct {
	Setting  string // the endpoint as it was configured
	Endpoint string // as bound
	FD       int    `json:"-"`
	Kept     bool   `json:",omitempty"` // a service manager has it as well
}

// Listeners are those of a pool, doors excepted.
type Listeners struct{ Frontend, Backend []Listener }

// All are those of both sockets, the frontend's first.
func (l Listeners) All() []Listener { return slices.Concat(l.Frontend, l.Backend) }

// SavedPool is a pool for the process that succeeds this one.
type SavedPool struct {
	Pool, Group string
	Table       pairing.Saved
	// Conns are the connections of Table.Peers.Peers, and Flows the pairs among them.
	Conns []SavedConn
	Flows []SavedFlow
	Doors []SavedDoor
	// Workers of the configuration, to which those of the successor's are compared.
	Workers  []pairing.WorkerConfig
	LameDuck bool
	Figures  SavedFigures
}

// LatePeers are connections that were not fit to go along with their pool.
type LatePeers struct {
	Pool     string
	Peers    pairing.SavedPeers
	Conns    []SavedConn
	Flows    []SavedFlow
	Motions  []Motion
	Counters pairing.SavedCounters // since the last
	Passed   [2]Traffic            // likewise
	Workers  map[string][2]Traffic `json:",omitempty"` // of Passed, by worker
}

// SavedConn is a connection as the loop sees it.
type SavedConn struct {
	Origin             pairing.Origin `json:",omitempty"`
	Spoke, Told, Ready bool           `json:",omitempty"`
	Paused, Dialled    bool           `json:",omitempty"`
	Ended, Shut        bool           `json:",omitempty"`
	Balanced           bool           `json:",omitempty"`
	Early              []byte         `json:",omitempty"`
	Shown              netip.Addr     // what the worker sees of the client
	Balancer           *SavedBalancer `json:",omitempty"`
	Door               string         `json:",omitempty"` // the identity of the one that it has come through
}

// SavedBalancer is who has connected for a client.
type SavedBalancer struct {
	Endpoint, UniqueID string
	TLS                *proxyproto.TLS
	Origin             pairing.Origin
}

// SavedFlow is an open pair, by the places of its connections.
type SavedFlow struct {
	Client, Worker int
	Handshake      SavedHandshake
}

// SavedHandshake is what is kept of a handshake that is through.
type SavedHandshake struct {
	Mechanism, Version string
	Stages             [2]string // of the client and of the worker, here and below
	Servers            [2]bool
	Steps              [2]map[string]uint32
}

// Motion is what a pair was in the middle of when it was stopped.
type Motion struct {
	// Rest is how many bytes are read and not yet written, of those from the client for the
	// worker, and back. They follow each other in the message's blob.
	Rest   [2]int        `json:",omitzero"` // of thousands of pairs, nearly all of which stand still
	End    splice.End    `json:",omitzero"`
	Passed [2]uint64     `json:",omitzero"`
	Idle   time.Duration `json:",omitzero"`
}

// SavedDoor is a door that is open.
type SavedDoor struct {
	Identity, Setting string
	Endpoints         []string
	Left              time.Duration // 0 for one of the configuration's
}

// SavedFigures are what the loop has counted.
type SavedFigures struct {
	Passed     [2]Traffic
	Workers    map[string][2]Traffic `json:",omitempty"` // of Passed, by worker
	Turns      pairing.Histogram
	Handshakes Handshakes
	Stalls     uint64
	Stalled    time.Duration
}

func (k *shaken) saved() SavedHandshake {
	s := SavedHandshake{Mechanism: k.speaks().mechanism, Version: k.speaks().version, Servers: k.servers}
	for side := range k.timeline {
		s.Stages[side], s.Steps[side] = k.stages[side].String(), map[string]uint32{}
		for stage, at := range k.timeline[side] {
			if at > 0 {
				s.Steps[side][zmtp.Stage(stage).String()] = at
			}
		}
	}
	return s
}

func (s *SavedHandshake) shaken() (k shaken, err error) {
	k.spoken, k.servers = unique.Make(spoken{s.Mechanism, s.Version}), s.Servers
	for side := range s.Stages {
		if k.stages[side], err = stageOf(s.Stages[side]); err != nil {
			return k, err
		}
		for word, at := range s.Steps[side] {
			stage, err := stageOf(word)
			if err != nil {
				return k, err
			}
			k.timeline[side][stage] = at
		}
	}
	return k, nil
}

func stageOf(word string) (zmtp.Stage, error) {
	for stage, name := range Stages() {
		if name == word {
			return zmtp.Stage(stage), nil
		}
	}
	return 0, fmt.Errorf("stage %q of a handshake is unknown", word)
}
