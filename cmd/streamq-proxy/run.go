//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/webconfig"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/console"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/given"
	"github.com/streamq/streamq-proxy/stream/libzmq"
)

func newRunCommand(cpus int) *cobra.Command {
	f := flags{cpus: cpus}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "serve clients",
		Long: `Serves clients until SIGTERM or SIGINT. Then it is unready, and serves on, for
--drain-delay, so that a balancer has time to send clients elsewhere; after that it
takes no new clients and lets the pairs end by themselves within --drain-timeout. A
second signal ends them at once. SIGHUP reads --config again: all of it comes into
force, or nothing. SIGUSR2 starts the program that is now at this one's path, with
the same arguments, and hands everything over to it, open pairs included; if that
fails nothing has changed.`,
		Example: `  streamq-proxy run --frontend tcp://127.0.0.1:5555 --worker tcp://127.0.0.1:6000
  streamq-proxy run --frontend tcp://127.0.0.1:5555 --backend tcp://127.0.0.1:5556
  streamq-proxy run --config /etc/streamq-proxy.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			before, err := predecessorOf()
			if err != nil {
				return err
			}
			plan, err := f.plan()
			if err != nil {
				return before.fail(err)
			}
			// Before anything is bound, so that no signal meets a half-open proxy.
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			// Of its own, so that no number of SIGHUP crowds out a SIGTERM.
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			upgrades := make(chan os.Signal, 1)
			signal.Notify(upgrades, syscall.SIGUSR2) // by which the system would end who does not ask for it
			defer signal.Stop(upgrades)
			s, err := open(plan, f.again, cmd.ErrOrStderr(), before)
			if err != nil {
				return err
			}
			s.usr2 = upgrades
			return s.run(cmd.Context(), signals, hangups)
		},
	}
	f.register(cmd.Flags())
	takeFiles(cmd, "config", "web-config", "control-cert", "control-clients", "shared-password-file")
	takeWords(cmd, "http-admin", []string{api.Everybody})
	takeWords(cmd, "policy", pairing.Policies())
	takeWords(cmd, "lease", pairing.Strategies())
	takeWords(cmd, "on-down", []string{"keep", "end"})
	takeWords(cmd, "no-worker", []string{"wait", "refuse"})
	takeWords(cmd, "expect", []string{"zmtp", "any"})
	takeWords(cmd, "affinity", []string{"none", "source-address"})
	takeWords(cmd, "relay", stream.Relays())
	takeWords(cmd, "require-hello", []string{"true", "false", "workers", "both"})
	takeWords(cmd, "log-level", []string{"debug", "info", "warn", "error"})
	takeWords(cmd, "log-format", []string{"text", "json"})
	return cmd
}

// server is the proxy while it runs.
type server struct {
	plan      *config.Plan                 // in force; only the goroutine of signals reads and writes it
	replan    func() (*config.Plan, error) // reads what a reload puts in force
	log       *slog.Logger
	lines     *logQueue // what log writes to
	level     *slog.LevelVar
	access    *accessLog
	reloads   *metrics.Reloads
	context   *stream.Context
	pools     []*stream.Pool
	discovery *discovery.Discovery       // of workers
	sharing   atomic.Pointer[sharing]    // what is remembered together with other proxies; nil without it
	http      *httpServer                // nil when turned off
	gate      *webconfig.Gate            // who is let in over HTTP; nil for everybody
	told      *api.Server                // what it tells as JSON; nil without it
	seen      *console.Console           // the same as pages; likewise
	steward   *control.Steward           // does what they are asked for; likewise
	happened  *api.Events                // likewise
	feed      *control.Feed              // of events; nil without a control socket
	control   *control.Server            // nil without one
	asked     chan func(context.Context) // what the control socket has the goroutine of signals do
	ended     chan struct{}              // closed when the pools have
	closed    chan struct{}              // closed when everything has
	readyAll  atomic.Bool                // see readyz
	admins    atomic.Pointer[[]string]   // who may steer over HTTP
	grafana   atomic.Pointer[string]     // where the console's link to Grafana leads
	ending    atomic.Bool                // it was told to end: another signal ends it at once
	draining  atomic.Bool                // the pools were told to drain
	upgrades  *metrics.Upgrades
	program   string           // at whose path a successor is looked for, "" if it is unknown
	before    *predecessor     // nil for a process that succeeds nobody
	given     *given.Listeners // by the service manager
	began     time.Time        // of this process
	succeeded chan struct{}    // closed when another process has taken over
	usr2      <-chan os.Signal // SIGUSR2
	end       end              // only the goroutine of signals reads and writes it
	awake     awake            // what end goes by
	force     time.Duration    // forceAfter, but for tests
}

// forceAfter is how long the proxy may take to end once it was told to end at
// once. It takes a moment, unless a loop is stuck.
const forceAfter = 5 * time.Second

// oneSignal is for how long a process that has succeeded another takes all signals for one. Whoever tells a whole
// group of processes to end in the middle of an upgrade, as systemd and a terminal do, tells both, and the other one
// passes it on (see retire).
const oneSignal = time.Second

// open binds everything, or takes it over from the process before. When it fails nothing
// stays bound, and that one goes on.
func open(plan *config.Plan, replan func() (*config.Plan, error), stderr io.Writer, before *predecessor) (*server, error) {
	if before != nil {
		if _, err := plan.CheckFiles(); err != nil {
			return nil, before.fail(err)
		}
		if err := before.meet(); err != nil {
			return nil, before.fail(err)
		}
	}
	s := &server{
		began: time.Now(), before: before, upgrades: metrics.NewUpgrades(), succeeded: make(chan struct{}),
		plan: plan, replan: replan, level: new(slog.LevelVar),
		asked: make(chan func(context.Context)), ended: make(chan struct{}), closed: make(chan struct{}),
		reloads: metrics.NewReloads(time.Now()), force: forceAfter,
	}
	s.level.Set(plan.LogLevel)
	s.readyAll.Store(plan.ReadyAll)
	s.lines = newLogQueue(stderr, newLogger(stderr, plan.LogJSON, s.level))
	s.log = newLogger(s.lines, plan.LogJSON, s.level)
	s.access = newAccessLog(s.log, plan.Access)
	s.program, _ = os.Executable() // without /proc nobody knows it, and only an upgrade asks for it
	if err := s.bind(); err != nil {
		s.release()
		return nil, before.fail(err)
	}
	s.leftBySystemd()
	return s, nil
}

func newLogger(w io.Writer, asJSON bool, level *slog.LevelVar) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (s *server) bind() (err error) {
	s.tuneRuntime()
	if s.given, err = givenBySystemd(); err != nil {
		return err
	}
	if s.context, err = stream.NewContext(s.plan.IOThreads, s.plan.RelayThreads); err != nil {
		return err
	}
	if s.operated() {
		s.feed = control.NewFeed()
	}
	if s.plan.HTTP != "" {
		s.happened = api.NewEvents()
	}
	together := openSharing(s.plan, s.log, s.began)
	s.sharing.Store(together)
	for _, cfg := range s.plan.Pools {
		pool, err := stream.Open(s.context, s.inherit(s.equip(cfg, together)))
		if err != nil {
			return s.ofPool(cfg.Name, err)
		}
		s.pools = append(s.pools, pool)
	}
	s.openDiscovery()
	together.await()
	if s.before != nil {
		return s.succeed()
	}
	together.learn(s.pools)
	return s.bindOperators()
}

// bindOperators binds what operators and monitoring use.
func (s *server) bindOperators() error {
	if err := s.openControl(); err != nil {
		return err
	}
	if s.plan.HTTP != "" {
		if err := s.openConsole(); err != nil {
			return err
		}
		return s.openHTTP()
	}
	return nil
}

// openHTTP binds its address, unless the process before or the service manager has for it.
func (s *server) openHTTP() (err error) {
	made := s.before.httpListener(s.plan.HTTP)
	if made == nil {
		made = httpGiven(s.given, s.plan.HTTP)
	}
	s.http, err = listenHTTP(s.plan.HTTP, made, newHandler(s), s.log)
	_ = made.Close() // of which the server has a copy; nil is none
	if err == nil {
		s.http.gate = s.gate
	}
	return err
}

// equip gives a pool's configuration what no file says.
func (s *server) equip(cfg stream.Config, together *sharing) stream.Config {
	together.share(&cfg)
	cfg.Log, cfg.Access = s.log, s.access.record
	cfg.Pairing.Seed = rand.Uint64() // by the system; replicas must not act in step
	cfg.Events = s.recorders()
	cfg.Given = s.given
	return cfg
}

// inherit gives a pool the listeners of the process before.
func (s *server) inherit(cfg stream.Config) stream.Config {
	if s.before != nil {
		cfg.Inherit = &stream.Inheritance{Listeners: s.before.pools[cfg.Name]}
	}
	return cfg
}

// ofPool names the pool where there are several.
func (s *server) ofPool(name string, err error) error {
	if len(s.plan.Pools) > 1 {
		return fmt.Errorf("pool %s: %w", name, err)
	}
	return err
}

// release lets go of what bind has bound when it could not bind the rest.
func (s *server) release() {
	if s.control != nil {
		s.control.Close()
	}
	if s.http != nil {
		_ = s.http.listener.Close()
	}
	for _, p := range s.pools {
		p.Close()
	}
	s.sharing.Load().close()
	if s.context != nil {
		_ = s.context.Close() // the error that is reported came before
	}
	s.lines.close()
}

// run serves until a signal, the end of ctx, or the failure of a pool ends it.
// What does not end by itself after a second signal is left behind: the process
// is about to exit.
func (s *server) run(ctx context.Context, signals, hangups <-chan os.Signal) error {
	s.announce()
	s.storeListeners()
	tellSystemd("READY=1")
	served, overdue := make(chan error, 1), make(chan struct{})
	go func() { served <- s.serve(ctx, signals, hangups, overdue) }()
	select {
	case err := <-served:
		return err
	case <-overdue:
		s.lines.close()
		return fmt.Errorf("ended by force: %v after the second signal a loop was still stuck", s.force)
	}
}

// serve closes overdue when it should have ended and has not.
func (s *server) serve(ctx context.Context, signals, hangups <-chan os.Signal, overdue chan<- struct{}) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	pools, ctx := errgroup.WithContext(ctx)
	for _, p := range s.pools {
		pools.Go(func() error { return p.Run(ctx) })
	}
	s.sharing.Load().tell(s.pools)
	var others errgroup.Group
	first := make(chan os.Signal, 1)
	others.Go(func() error { s.obey(ctx, first, hangups); return nil })
	others.Go(func() error { s.tellRefused(); return nil })
	others.Go(func() error { s.watchdog(s.untilSucceeded(s.untilEnded())); return nil })
	others.Go(func() error { return s.discover(s.untilSucceeded(ctx)) })
	if s.before != nil {
		others.Go(func() error { s.follow(s.untilEnded()); return nil })
	}
	go func() {
		if s.insist(signals, first, end) {
			close(overdue)
		}
	}()
	if s.control != nil {
		others.Go(func() error {
			defer s.endUnlessSucceeded(end) // it stops before the pools only when it failed
			return s.control.Serve(s.untilSucceeded(s.untilEnded()))
		})
	}
	if s.http != nil {
		others.Go(func() error {
			defer s.endUnlessSucceeded(end) // it stops before the pools only when it failed
			return s.http.serve()
		})
		others.Go(func() error { s.told.Run(s.untilEnded()); return nil })
		stop := context.AfterFunc(s.untilSucceeded(s.untilEnded()), s.http.close)
		defer stop()
	}
	defer close(s.closed)
	err := pools.Wait()
	close(s.ended)
	if s.http != nil {
		s.http.close()
	}
	if failed := others.Wait(); err == nil {
		err = failed
	}
	s.sharing.Load().close()
	if failed := s.context.Close(); err == nil {
		err = failed
	}
	s.log.Info("ended")
	s.lines.close()
	return err
}

// insist passes the first signal to obey and ends the pools itself at the second,
// because obey may be waiting for a loop. It says whether they failed to end.
func (s *server) insist(signals <-chan os.Signal, first chan<- os.Signal, end context.CancelFunc) bool {
	begun := time.Now()
	var late <-chan time.Time
	for {
		select {
		case <-s.closed:
			return false
		case <-late:
			return true
		case sig := <-signals:
			if !s.ending.Swap(true) {
				first <- sig
				continue
			}
			if s.before != nil && time.Since(begun) < oneSignal {
				continue
			}
			s.log.Info("ending at once", "signal", sig.String())
			end()
			if late == nil {
				late = time.After(s.force)
			}
		}
	}
}

// obey does what it is told until the pools have ended.
func (s *server) obey(ctx context.Context, first, hangups <-chan os.Signal) {
	for {
		select {
		case <-s.ended:
			return
		case f := <-s.asked:
			f(ctx)
		case <-hangups:
			_ = s.reload(ctx) // it has been logged
		case <-s.usr2:
			_ = s.upgrade(ctx) // likewise
		case sig := <-first:
			s.endAfter(s.plan.DrainDelay, s.plan.DrainTimeout, "signal", sig.String())
		case <-s.end.due:
			s.drainWhenDue()
		}
	}
}

// workersListed is how many workers the start line of a pool names.
const workersListed = 20

func workerList(workers []pairing.WorkerConfig) string {
	var names []string
	for _, w := range workers[:min(len(workers), workersListed)] {
		names = append(names, w.Name+"="+w.Endpoint)
	}
	if more := len(workers) - workersListed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
}

// announce logs what is served, one line for each pool.
func (s *server) announce() {
	_, limit := s.context.Descriptors()
	s.log.Info("starting", "version", build().Version, "descriptors", limit, "clients-at-most", limit/2)
	if !libzmq.IsTried() {
		s.log.Info("this libzmq was never tried: see docs/matrix.md", "libzmq", libzmq.Version(), "tried", strings.Join(libzmq.Tried(), " "))
	}
	for i, p := range s.pools {
		frontend, backend := p.Bound()
		cfg := s.plan.Pools[i]
		s.log.Info("serving", "pool", p.Name(), "frontend", strings.Join(frontend, " "),
			"backend", strings.Join(backend, " "), "workers", workerList(cfg.Workers))
		for _, finder := range s.plan.Finders[i] {
			s.log.Info("finding workers", "pool", p.Name(), "workers", sought(&finder))
		}
		// A pair takes two descriptors, one on either side.
		if most := int64(cfg.Pairing.MaxClients); most > limit/2 {
			s.log.Warn("max-clients is more than descriptors allow (ulimit -n)", "pool", p.Name(), "max-clients", most, "clients-at-most", limit/2)
		}
	}
	doubtMechanisms(s.log, s.plan.Pools)
	if s.control != nil {
		s.log.Info("serving control", "endpoints", strings.Join(s.control.Bound(), " "))
	}
	if s.http != nil {
		s.log.Info("serving HTTP", "address", s.http.address())
		if s.plan.WebConfig != "" || len(s.plan.HTTPAdmin) > 0 {
			s.log.Info("letting in over HTTP", "web-config", s.plan.WebConfig, "may-steer", strings.Join(s.plan.HTTPAdmin, " "))
		}
	}
}
