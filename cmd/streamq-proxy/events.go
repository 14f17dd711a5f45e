//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

func (c *ctl) newEventsCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "events [TOPIC...]",
		Short: "show what happens, as it happens",
		Long:  `Shows the events whose topic begins with one of those given, all without any: "pair", "worker.up".`,
		Args:  cobra.ArbitraryArgs,

		ValidArgsFunction: completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.untilInterrupted(cmd, func(ctx context.Context, proxy *client.Client) error {
				return c.events(ctx, proxy, cmd.OutOrStdout(), args, count)
			})
		},
	}
	cmd.Flags().IntVar(&count, "count", 0, "end after so many, 0 for never")
	return cmd
}

// events ends without an error when it is interrupted, or has printed count events.
func (c *ctl) events(ctx context.Context, proxy *client.Client, to io.Writer, topics []string, count int) error {
	n, enough := 0, errors.New("enough")
	err := proxy.Events(ctx, topics, nil, func(e wire.Event) error {
		if err := c.printEvent(to, e); err != nil {
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
}

func (c *ctl) printEvent(to io.Writer, e wire.Event) error {
	if c.output == "json" {
		line, err := json.Marshal(struct {
			Topic string `json:"topic"`
			wire.Event
		}{e.Topic, e})
		if err == nil {
			_, err = fmt.Fprintln(to, escape(string(line), ""))
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
	if e.Pairs > 0 {
		line += fmt.Sprintf(" pairs=%d", e.Pairs)
	}
	_, err := fmt.Fprintln(to, escape(line, ""))
	return err
}
