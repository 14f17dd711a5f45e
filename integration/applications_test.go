package integration

import (
	"fmt"
	"slices"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestS4GameServer has three REQ players at one ROUTER, which tells them apart by identity and answers nobody before
// all have made their move: then each hears how it stands.
func TestS4GameServer(t *testing.T) {
	players := []string{"ann", "bob", "eve"}
	for _, w := range everyWay() {
		for _, mechanism := range mechanisms() {
			t.Run(w.name+"/"+mechanism, func(t *testing.T) {
				ctx := newContext(t)
				sec := newSecurity(t, mechanism)
				game := newWorker(t, ctx, zmq.ROUTER, sec)
				game.slots = len(players)
				must(t, game.SetRouterMandatory(1))
				endpoint := w.open(t, "tcp", []worker{game})
				seats := map[string]*socket{}
				for _, name := range players {
					seats[name] = newClient(t, ctx, zmq.REQ, sec, name)
					must(t, seats[name].Connect(endpoint))
				}
				for turn := range 10 {
					for _, name := range players {
						seats[name].send(t, fmt.Sprintf("%s rolls %d", name, turn))
					}
					moves := map[string]string{}
					for range players {
						m := game.recv(t) // identity, empty delimiter, move
						if len(m) != 3 || m[2] != fmt.Sprintf("%s rolls %d", m[0], turn) {
							t.Fatalf("turn %d: the game got %q", turn, m)
						}
						moves[m[0]] = m[2]
					}
					if len(moves) != len(players) {
						t.Fatalf("turn %d: moves of %v", turn, moves)
					}
					for _, name := range slices.Backward(players) { // not in the order of asking
						game.send(t, name, "", "seen: "+moves[name])
					}
					for _, name := range players {
						want := fmt.Sprintf("seen: %s rolls %d", name, turn)
						if got := seats[name].recv(t); len(got) != 1 || got[0] != want {
							t.Fatalf("%s got %q, want %q", name, got, want)
						}
					}
				}
			})
		}
	}
}

// TestS4HelloWorld is the guide's first example: ten requests of a REQ to a REP.
func TestS4HelloWorld(t *testing.T) {
	for _, w := range everyWay() {
		for _, mechanism := range mechanisms() {
			t.Run(w.name+"/"+mechanism, func(t *testing.T) {
				ctx := newContext(t)
				sec := newSecurity(t, mechanism)
				served := newWorker(t, ctx, zmq.REP, sec)
				client := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, client.Connect(w.open(t, "tcp", []worker{served})))
				for range 10 {
					client.send(t, "Hello")
					if got := served.recv(t); len(got) != 1 || got[0] != "Hello" {
						t.Fatalf("the worker got %q", got)
					}
					served.send(t, "World")
					if got := client.recv(t); len(got) != 1 || got[0] != "World" {
						t.Fatalf("the client got %q", got)
					}
				}
			})
		}
	}
}
