package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/agent"
	"github.com/streamq/streamq-proxy/stream"
)

// agentFlags are what the command line says of an agent.
type agentFlags struct {
	agent.Config
	drainTimeout time.Duration
	http         string
	json         bool
}

func newAgentCommand(cpus int) *cobra.Command {
	f := agentFlags{Config: agent.Config{Threads: stream.RelayThreads(cpus)}}
	format := "text"
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "dial in for a worker that listens",
		Long: `Runs beside a worker that listens, and dials in at a proxy's backend for it: through
NAT and firewalls, from a container. It keeps --slots idle connections there, and dials
the worker once for each client that comes, so that the worker has a connection and a
queue for each client, and no client can cost a slot.

The worker may be down, and be started again: there are no slots until it listens. On
SIGTERM or SIGINT it takes no more clients, and lets the pairs end by themselves within
--drain-timeout; a second signal ends them at once.`,
		Example: `  streamq-proxy agent --proxy tcp://proxy.example.org:5556 --worker tcp://127.0.0.1:6000 --slots 16`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--log-format: %q is neither text nor json (see %s --help)", format, cmd.CommandPath())
			}
			f.json = format == "json"
			if !cmd.Flags().Changed("slots-max") {
				f.SlotsMax = min(agent.MaxSlots, 4*f.Slots)
			}
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			if os.Getenv("GOMAXPROCS") == "" { // see server.processors
				runtime.GOMAXPROCS(cpus + f.Threads)
			}
			return f.run(cmd.Context(), signals, cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Proxy, "proxy", "", "the proxy's backend, tcp://HOST:PORT")
	flags.StringVar(&f.Worker, "worker", "", "where the worker listens, tcp://HOST:PORT")
	flags.IntVar(&f.Slots, "slots", 16, "idle connections kept at the proxy")
	flags.IntVar(&f.SlotsMax, "slots-max", 0, fmt.Sprintf("as many when clients come fast, up to %d (default four times --slots)", agent.MaxSlots))
	flags.DurationVar(&f.drainTimeout, "drain-timeout", 30*time.Second, "how long pairs may go on after SIGTERM")
	flags.StringVar(&f.http, "http", "", `HOST:PORT that serves /metrics, /healthz and /readyz; "" turns it off`)
	flags.StringVar(&format, "log-format", format, "text or json")
	for _, name := range []string{"proxy", "worker"} {
		_ = cmd.MarkFlagRequired(name) // of a flag that is not there it would fail
	}
	return cmd
}

// run keeps the slots until a signal comes, and then lets the pairs end.
func (f *agentFlags) run(ctx context.Context, signals <-chan os.Signal, stderr io.Writer) error {
	f.Log = newLogger(stderr, f.json, new(slog.LevelVar))
	a, err := agent.New(f.Config)
	if err != nil {
		return fmt.Errorf("%s (see streamq-proxy agent --help)", oneLine(err))
	}
	defer a.Close()
	if f.http != "" {
		h, err := listenHTTP(f.http, agentHandler(a, f.Log), f.Log)
		if err != nil {
			return err
		}
		defer h.close()
		go func() {
			if err := h.serve(); err != nil {
				f.Log.Error("no more HTTP", "error", err)
			}
		}()
		f.Log.Info("http", "address", h.address())
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() { a.Run(serving); close(done) }()
	f.Log.Info("dialling in", "proxy", f.Proxy, "worker", f.Worker, "slots", f.Slots, "slots-max", f.SlotsMax)
	select {
	case <-signals:
	case <-ctx.Done():
	}
	f.Log.Info("draining: pairs may go on until they end by themselves", "pairs", a.State().Pairs, "deadline", f.drainTimeout)
	end()
	<-done
	drain, cut := context.WithTimeout(ctx, f.drainTimeout)
	defer cut()
	go func() {
		select {
		case <-signals:
			cut()
		case <-drain.Done():
		}
	}()
	if !a.Drain(drain) {
		f.Log.Warn("ending the pairs that are left", "pairs", a.State().Pairs)
	}
	return nil
}

// agentHandler serves what an agent shows.
func agentHandler(a *agent.Agent, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(a.Collectors()...)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	healthz := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	readyz := func(w http.ResponseWriter, _ *http.Request) {
		s := a.State()
		if !s.Ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "worker %t, slots %d of %d, draining %t\n", s.Worker, s.Idle, s.Wanted, s.Over)
	}
	return newMux(registry, log, healthz, readyz)
}
