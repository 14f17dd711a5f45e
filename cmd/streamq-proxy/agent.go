//go:build linux && cgo

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
	only         agentWorker // that of --worker
	file         string      // of several
	proxy        string
	cpus         int
	threads      int
	tell         agentControl
	addresses    string // what workers see of clients
	drainTimeout time.Duration
	http         string
	json         bool
}

func newAgentCommand(cpus int) *cobra.Command {
	// Half of the CPUs for moving bytes: the worker is on the same machine, and threads that wake for little cost each
	// client more (a fifth of the agent's CPU time for one-shot clients on two CPUs).
	f := agentFlags{cpus: cpus, threads: stream.RelayThreads(max(1, cpus/2))}
	format := "text"
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "dial in for a worker that listens",
		Long: `Runs beside a worker that listens, and dials in at a proxy's backend for it: through
NAT and firewalls, from a container. It keeps --slots idle connections there, and dials
the worker once for each client that comes, so that the worker has a connection and a
queue for each client, and no client can cost a slot.

The worker may be down, and be started again: there are no slots until it listens. On
SIGTERM, SIGINT or SIGHUP it takes no more clients, and lets the pairs end by themselves
within --drain-timeout; a second signal ends them at once. It reads no file again.

With --control it says HELLO for its worker: its --name, --weight and --max, and renews
its lease. Several workers come from a file (--workers), in YAML:

  workers:
    - {name: w1, worker: tcp://127.0.0.1:6000, slots: 16, slots-max: 64, weight: 2, max: 500}
    - {name: w2, worker: tcp://127.0.0.1:6001}

With --client-addresses 127.64.0.0/10 the worker sees each client by a loopback address of
its own. Who that is the proxy knows: with --control, /whois?address=127.64.0.9 at --http
asks it, for who asks over loopback.

Where there is NAT between them and the proxy only one name can be told by address: give
each worker an agent, and an address, of its own.`,
		Example: `  streamq-proxy agent --proxy tcp://proxy.example.org:5556 --worker tcp://127.0.0.1:6000 --slots 16`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--log-format: %q is neither text nor json (see %s --help)", format, cmd.CommandPath())
			}
			f.json = format == "json"
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			if !signal.Ignored(syscall.SIGHUP) { // as by nohup(1)
				signal.Notify(signals, syscall.SIGHUP)
			}
			defer signal.Stop(signals)
			return f.run(cmd.Context(), signals, cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.proxy, "proxy", "", "the proxy's backend, tcp://HOST:PORT")
	flags.StringVar(&f.only.Worker, "worker", "", "where the worker listens, tcp://HOST:PORT")
	flags.StringVar(&f.file, "workers", "", "several workers, and what else is said of each: a `file`")
	flags.IntVar(&f.only.Slots, "slots", usualSlots, "idle connections kept at the proxy")
	flags.IntVar(&f.only.SlotsMax, "slots-max", 0, fmt.Sprintf("as many when clients come fast, up to %d (default four times --slots)", agent.MaxSlots))
	flags.StringVar(&f.tell.endpoint, "control", "", "the proxy's control socket, which is told whose slots these are")
	flags.StringVar(&f.tell.cert, "cert", "", "own certificate, with its secret key, for CURVE: a `file` (keygen --cert)")
	flags.StringVar(&f.tell.server, "server", "", "public certificate of the proxy, for CURVE: a `file`")
	flags.StringVar(&f.tell.pool, "pool", "", "the proxy's pool, where it has several")
	flags.StringVar(&f.only.Name, "name", "", "the worker's name, with --control")
	flags.IntVar(&f.only.Weight, "weight", 0, "the worker's weight, with --control")
	flags.IntVar(&f.only.Max, "max", 0, "how many pairs the worker may have, with --control")
	flags.StringVar(&f.addresses, "client-addresses", "", "what the worker sees of clients: an address each of this `prefix` (127.64.0.0/10 on this machine)")
	flags.DurationVar(&f.drainTimeout, "drain-timeout", 30*time.Second, "how long pairs may go on after SIGTERM")
	flags.StringVar(&f.http, "http", "", `HOST:PORT that serves /metrics, /healthz and /readyz; "" turns it off`)
	flags.StringVar(&format, "log-format", format, "text or json")
	takeFiles(cmd, "workers", "cert", "server")
	_ = cmd.MarkFlagRequired("proxy") // of a flag that is not there it would fail
	cmd.MarkFlagsOneRequired("worker", "workers")
	cmd.MarkFlagsMutuallyExclusive("worker", "workers")
	return cmd
}

// run keeps the slots until a signal comes, and then lets the pairs end.
func (f *agentFlags) run(ctx context.Context, signals <-chan os.Signal, stderr io.Writer) error {
	level := new(slog.LevelVar)
	lines := newLogQueue(stderr, newLogger(stderr, f.json, level)) // the agents' loops log, too
	defer lines.close()
	log := newLogger(lines, f.json, level)
	all, err := f.agents(log)
	if err != nil {
		return fmt.Errorf("%s (see streamq-proxy agent --help)", oneLine(err))
	}
	defer all.close()
	if os.Getenv("GOMAXPROCS") == "" { // see server.processors
		runtime.GOMAXPROCS(f.cpus + len(all.agents)*(1+f.threadsEach(len(all.agents))))
	}
	if f.http != "" {
		h, err := listenHTTP(f.http, nil, agentHandler(all, log), log)
		if err != nil {
			return err
		}
		defer h.close()
		go func() {
			if err := h.serve(); err != nil {
				log.Error("no more HTTP", "error", err)
			}
		}()
		log.Info("http", "address", h.address())
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() { all.run(serving); close(done) }()
	for _, a := range all.agents {
		log.Info("dialling in", "proxy", f.proxy, "worker", a.worker.Worker, "name", a.worker.Name, "slots", a.worker.Slots, "slots-max", a.worker.SlotsMax)
	}
	select {
	case <-signals:
	case <-ctx.Done():
	}
	log.Info("draining: pairs may go on until they end by themselves", "pairs", all.pairs(), "deadline", f.drainTimeout)
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
	over := all.drain(drain)
	if left := all.pairs(); !over && left > 0 { // else they are clients whom the worker has not greeted
		log.Warn("ending the pairs that are left", "pairs", left)
	}
	return nil
}

// agentHandler serves what agents show.
func agentHandler(all *agents, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	for _, a := range all.agents {
		registry.MustRegister(a.Collectors()...)
	}
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	healthz := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	readyz := func(w http.ResponseWriter, _ *http.Request) {
		text, ready := all.readiness()
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, text)
	}
	mux := newMux(registry, log, healthz, readyz)
	if all.name != nil && all.addresses != nil {
		mux.HandleFunc("GET /whois", all.whois)
	}
	return mux
}
