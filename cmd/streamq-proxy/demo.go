//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/demo"
)

func newDemoCommand(cpus int) *cobra.Command {
	o := demo.DefaultOptions(cpus)
	o.Version = running()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the proxy at work, with CURVE workers and clients of its own",
		Long: `Starts CURVE workers that listen and that dial in, a proxy before them and CURVE
clients, all in this process and on loopback ports of their own, and shows what
happens. It prints what to paste into Python to join in from outside.

The console shows it in a browser, at the address that is printed. With --hold it goes
on until Ctrl-C, and something goes wrong now and then, to be seen there and by ctl: a
worker fails, a client has the wrong key, another reads slowly, and a worker is drained.

Ctrl-C ends it early. Exits 0 when there were replies and none is missing.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			// A second signal does what it does to any program.
			defer context.AfterFunc(ctx, stop)()
			return demo.Run(ctx, o, demo.NewScreen(cmd.OutOrStdout(), os.Getenv))
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.Duration, "duration", o.Duration, "how long the clients ask")
	flags.BoolVar(&o.Held, "hold", false, "go on until Ctrl-C, and show what goes wrong in a day, too")
	cmd.MarkFlagsMutuallyExclusive("hold", "duration")
	flags.IntVar(&o.Clients, "clients", o.Clients, fmt.Sprintf("clients at work at any moment, 1 to %d", demo.MaxClients))
	flags.IntVar(&o.Workers, "workers", o.Workers, fmt.Sprintf("workers, %d to %d; every third one, and at least one, dials in", demo.MinWorkers, demo.MaxWorkers))
	return cmd
}
