//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// defaultControl is where ctl looks for a proxy that nobody has named.
const defaultControl = "ipc:///run/streamq-proxy/control.sock"

// controlVariable is the environment's word for --control.
const controlVariable = "STREAMQ_CONTROL"

// ctl is how the commands of ctl reach the proxy and print.
type ctl struct {
	endpoint, cert, server string
	everywhere             bool
	output                 string
	timeout                time.Duration
}

func newCtlCommand() *cobra.Command {
	c := &ctl{}
	cmd := &cobra.Command{
		Use:   "ctl VERB [ARGUMENT...]",
		Short: "see and steer a proxy that runs, by its control socket",
		Long: `Says one thing to the control socket of a running proxy, and prints the answer.
"ctl help" lists the verbs. The socket is that of --control, else of the variable
` + controlVariable + `, else ` + defaultControl + `.

Exit codes: ` + exitCodes() + `.`,
		Example: `  streamq-proxy ctl status
  streamq-proxy ctl workers -o json
  streamq-proxy ctl drain w1
  streamq-proxy ctl drain w1 --everywhere
  streamq-proxy ctl explain alice`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misuse("ctl wants a verb (ctl help lists them)")
			}
			if c.everywhere {
				args = append(args, "everywhere")
			}
			return c.say(cmd.Context(), cmd.OutOrStdout(), strings.ToUpper(args[0]), args[1:])
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.endpoint, "control", environment(controlVariable, defaultControl), "`endpoint` of the control socket")
	flags.StringVar(&c.cert, "cert", "", "own certificate, with its secret key, for CURVE: a `file` (keygen --cert)")
	flags.StringVar(&c.server, "server", "", "public certificate of the proxy, for CURVE: a `file`")
	flags.StringVarP(&c.output, "output", "o", "table", "table or json")
	flags.DurationVar(&c.timeout, "timeout", 5*time.Second, "how long to wait for the proxy")
	cmd.Flags().BoolVar(&c.everywhere, "everywhere", false, "what drain, maint, enable, weight, maxconn, pin or unpin says counts at all proxies that share the store; the same as the word everywhere behind it")
	takeFiles(cmd, "cert", "server")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)) // it is there
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misuse("%w", flagError(cmd, err)) })
	cmd.AddCommand(c.newWatchCommand(), c.newEventsCommand(), c.newHelpCommand())
	// cobra's own help command would take the place of the verb.
	cmd.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	return cmd
}

func environment(name, standard string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return standard
}

// newHelpCommand is the verb HELP, which cobra would else answer by itself.
func (c *ctl) newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "list the verbs that the proxy knows",

		ValidArgsFunction: completeVerb,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				args[0] = strings.ToUpper(args[0])
			}
			return c.say(cmd.Context(), cmd.OutOrStdout(), "HELP", args)
		},
	}
}

// dial connects to the proxy.
func (c *ctl) dial(ctx context.Context) (*client.Client, error) {
	switch {
	case c.output != "table" && c.output != "json":
		return nil, misuse("-o %s: want table or json", c.output)
	case c.timeout <= 0:
		return nil, misuse("--timeout %v: it has to be above 0s", c.timeout)
	}
	security, err := c.security()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	proxy, err := client.Dial(ctx, c.endpoint, security)
	if errors.Is(err, client.ErrNoAnswer) {
		err = fmt.Errorf("no proxy answers at %s within %v: %w", c.endpoint, c.timeout, client.ErrNoAnswer)
	}
	return proxy, exitOf(err)
}

// security is nil without certificates.
func (c *ctl) security() (*client.Security, error) {
	if c.cert == "" && c.server == "" {
		return nil, nil
	}
	if c.cert == "" || c.server == "" {
		return nil, misuse("CURVE needs both --cert and --server")
	}
	own, err := wire.ReadSecretCert(c.cert)
	if err != nil {
		return nil, err
	}
	server, err := wire.ReadCert(c.server)
	return &client.Security{Cert: own, Server: server.Public}, err
}

// untilInterrupted has do work with a client until SIGINT or SIGTERM.
func (c *ctl) untilInterrupted(cmd *cobra.Command, do func(context.Context, *client.Client) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	proxy, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer proxy.Close()
	return do(ctx, proxy)
}

// say is one request and its answer.
func (c *ctl) say(ctx context.Context, to io.Writer, verb string, args []string) error {
	proxy, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer proxy.Close()
	return c.ask(ctx, proxy, to, verb, args)
}

func (c *ctl) ask(ctx context.Context, proxy *client.Client, to io.Writer, verb string, args []string) error {
	wait := c.timeout
	if v := control.VerbOf(verb); v != nil {
		wait = max(wait, v.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	reply, err := proxy.Do(ctx, verb, args...)
	if err != nil {
		return exitOf(err)
	}
	return c.print(to, reply)
}

func (c *ctl) print(to io.Writer, reply wire.Reply) error {
	if c.output == "json" {
		return printJSON(to, reply)
	}
	return printTable(to, reply)
}
