package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// startProxy runs a proxy of one pool until stop, and returns its control socket.
func startProxy() (endpoint string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "streamq")
	if err != nil {
		return "", nil, err
	}
	endpoint = "ipc://" + filepath.Join(dir, "control.sock")
	zctx, err := stream.NewContext(1, 1)
	if err != nil {
		return "", nil, err
	}
	cfg := stream.DefaultConfig()
	cfg.Frontend, cfg.Backend = []string{"tcp://127.0.0.1:0"}, []string{"tcp://127.0.0.1:0"}
	feed := control.NewFeed()
	cfg.Events = feed.Record
	pool, err := stream.Open(zctx, cfg)
	if err != nil {
		return "", nil, err
	}
	server, err := control.Open(control.Config{Endpoints: []string{endpoint}, Log: slog.New(slog.DiscardHandler)}, control.Proxy{
		Pools:    []*stream.Pool{pool},
		Reload:   func(context.Context) error { return errors.New("line 3: no such key") },
		Shutdown: func(d time.Duration) (time.Duration, error) { return d, nil },
		Level:    new(slog.LevelVar),
	}, feed)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all errgroup.Group
	all.Go(func() error { return pool.Run(ctx) })
	all.Go(func() error { return server.Serve(ctx) })
	return endpoint, func() {
		cancel()
		if err := errors.Join(all.Wait(), zctx.Close(), os.RemoveAll(dir)); err != nil {
			fmt.Println(err)
		}
	}, nil
}

// An application gives its connection a name, says which workers it prefers, and
// keeps its lease.
func ExampleClient() {
	endpoint, stop, err := startProxy() // elsewhere, as a rule: ipc:///run/streamq-proxy/control.sock
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, endpoint, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	// The local address of the application's own connection, from its socket's monitor.
	lease, err := c.Hello(ctx, client.Hello{Identity: "alice", Endpoint: "10.0.0.7:40112", Prefer: []string{"w1", "w2"}})
	fmt.Println("served by:", lease.Worker, err)

	alive, rest := context.WithCancel(ctx)
	kept := make(chan error)
	go func() { kept <- c.KeepAlive(alive, "alice") }() // for as long as the connection is of use
	rest()
	fmt.Println("kept alive until:", <-kept)

	_, err = c.Heartbeat(ctx, "bob")
	fmt.Println(wire.CodeOf(err) == wire.NotFound, err)
	// Output:
	// served by:  <nil>
	// kept alive until: context canceled
	// true nobody is "bob": say HELLO first (404)
}

// An operator adds a worker, pins an identity to it, and takes it out of service.
func ExamplePool() {
	endpoint, stop, err := startProxy()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, endpoint, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	pool := c.Pool("") // the only one
	if err := pool.Add(ctx, client.Worker{Name: "w1", Endpoint: "tcp://10.0.0.1:5556", Weight: 2}); err != nil {
		fmt.Println(err)
	}
	if err := pool.Pin(ctx, "alice", "w1", "w2"); err != nil {
		fmt.Println(err)
	}
	left, err := pool.Drain(ctx, "w1")
	fmt.Println("pairs left:", left, err)
	for w, err := range pool.Workers(ctx, client.Filter{State: "draining"}) {
		fmt.Println(w.Worker, w.State, "weight", w.Weight, err)
	}
	x, err := pool.Explain(ctx, "alice")
	fmt.Println("alice prefers:", x.Prefer, "pinned:", x.Pinned, err)

	fmt.Println(pool.Enable(ctx, "w9"))
	fmt.Println(c.Reload(ctx))
	// Output:
	// pairs left: 0 <nil>
	// w1 draining weight 2 <nil>
	// alice prefers: [w1 w2] pinned: true <nil>
	// no such worker: w9 (404)
	// nothing has changed: line 3: no such key (409)
}
