package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/stream"
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
	_, err := fmt.Fprintln(to, escape(line, ""))
	return err
}
