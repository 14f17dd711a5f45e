package integration

import (
	"testing"
)

// worker is one side of a scenario, by whatever peer it is played.
type worker interface {
	// listen binds to an endpoint, which may have port 0, and returns the one that can be dialled.
	listen(t testing.TB, endpoint string) string
	// dialIn connects to the proxy's backend, as many times as the worker offers slots.
	dialIn(t testing.TB, endpoint string)
}

// way is how a client and a worker reach one another.
type way struct {
	name string
	// open puts the workers in place and returns the endpoint for the clients. flags are more flags for the proxy.
	open func(t testing.TB, transport string, workers []worker, flags ...string) string
}

// direct is the control: no proxy. It knows one worker only.
func direct() way {
	return way{"direct", func(t testing.TB, transport string, workers []worker, _ ...string) string {
		if len(workers) != 1 {
			t.Fatal("a client reaches one worker directly, not several")
		}
		return workers[0].listen(t, wildcard(t, transport))
	}}
}

// listening has the proxy dial workers that listen.
func listening() way {
	return way{"listening", func(t testing.TB, transport string, workers []worker, flags ...string) string {
		for _, w := range workers {
			flags = append(flags, "--worker", w.listen(t, wildcard(t, transport)))
		}
		return startProxy(t, append(flags, "--frontend", wildcard(t, transport))...).frontend[0]
	}}
}

// dialling has the workers dial in.
func dialling() way {
	return way{"dialling", func(t testing.TB, transport string, workers []worker, flags ...string) string {
		flags = append(flags, "--frontend", wildcard(t, transport), "--backend", wildcard(t, transport))
		p := startProxy(t, flags...)
		for _, w := range workers {
			w.dialIn(t, p.backend[0])
		}
		return p.frontend[0]
	}}
}

func everyWay() []way { return []way{direct(), listening(), dialling()} }

func throughProxy() []way { return []way{listening(), dialling()} }
