package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/streamq/streamq-proxy/stream"
)

// clearScreen puts the cursor home and clears what is below (ECMA-48).
const clearScreen = "\x1b[H\x1b[J"

func (c *ctl) newWatchCommand() *cobra.Command {
	var every time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "watch [VERB [ARGUMENT...]]",
		Short: "show the workers, or the answer to any verb, again and again",
		Long:  `Redraws on a terminal; elsewhere each answer follows the one before, as plain lines.`,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < 10*time.Millisecond {
				return misuse("--every %v: at least 10ms", every)
			}
			ctx, stop := interrupted(cmd.Context())
			defer stop()
			if len(args) == 0 {
				args = []string{"workers"}
			}
			return c.watch(ctx, cmd.OutOrStdout(), every, count, args)
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many, 0 for never")
	return cmd
}

// watch ends without an error when it is interrupted.
func (c *ctl) watch(ctx context.Context, to io.Writer, every time.Duration, count int, args []string) error {
	client, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	file, isFile := to.(*os.File)
	live := isFile && term.IsTerminal(int(file.Fd()))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		var page bytes.Buffer
		if live {
			page.WriteString(clearScreen)
		}
		err := c.ask(ctx, client, &page, strings.ToUpper(args[0]), args[1:])
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := to.Write(page.Bytes()); err != nil {
			return err
		}
		if n == count {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *ctl) newEventsCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "events [TOPIC...]",
		Short: "show what happens, as it happens",
		Long:  `Shows the events whose topic begins with one of those given, all without any: "pair", "worker.up".`,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interrupted(cmd.Context())
			defer stop()
			client, err := c.dial(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			n, enough := 0, errors.New("enough")
			err = client.Events(ctx, args, nil, func(e stream.Event) error {
				if err := c.printEvent(cmd.OutOrStdout(), e); err != nil {
					return err
				}
				if n++; n == count {
					return enough
				}
				return nil
			})
			if errors.Is(err, enough) || ctx.Err() != nil {
				return nil
			}
			return exitOf(err)
		},
	}
	cmd.Flags().IntVar(&count, "count", 0, "end after so many, 0 for never")
	return cmd
}

func (c *ctl) printEvent(to io.Writer, e stream.Event) error {
	if c.output == "json" {
		line, err := json.Marshal(struct {
			Topic string `json:"topic"`
			stream.Event
		}{e.Topic, e})
		if err == nil {
			_, err = fmt.Fprintln(to, string(line))
		}
		return err
	}
	line := fmt.Sprintf("%s %s pool=%s", e.Time.Format("15:04:05.000"), e.Topic, e.Pool)
	for _, f := range [...]struct{ key, value string }{
		{"client", e.Client}, {"identity", e.Identity}, {"worker", e.Worker}, {"state", e.State}, {"reason", e.Reason},
	} {
		if f.value != "" {
			line += " " + f.key + "=" + f.value
		}
	}
	_, err := fmt.Fprintln(to, line)
	return err
}
