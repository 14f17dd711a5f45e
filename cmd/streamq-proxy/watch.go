//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal"
	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// clearScreen puts the cursor home and clears what is below (ECMA-48).
const clearScreen = "\x1b[H\x1b[J"

func (c *ctl) newWatchCommand() *cobra.Command {
	var every time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "watch [VERB [ARGUMENT...]]",
		Short: "show the workers of all pools, or the answer to any verb, again and again",
		Long:  `Redraws on a terminal, as much as fits into it; elsewhere each answer follows the one before, as plain lines.`,
		Args:  cobra.ArbitraryArgs,

		ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < 10*time.Millisecond {
				return misuse("--every %v: at least 10ms", every)
			}
			return c.untilInterrupted(cmd, func(ctx context.Context, proxy *client.Client) error {
				return c.watch(ctx, cmd.OutOrStdout(), every, count, func(page io.Writer) error {
					if len(args) == 0 {
						return c.allWorkers(ctx, proxy, page)
					}
					return c.ask(ctx, proxy, page, strings.ToUpper(args[0]), args[1:])
				})
			})
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many, 0 for never")
	return cmd
}

// watch ends without an error when it is interrupted. write writes one page.
func (c *ctl) watch(ctx context.Context, to io.Writer, every time.Duration, count int, write func(io.Writer) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		var page bytes.Buffer
		err := write(&page)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(to, fitted(page.String(), to)); err != nil {
			return err
		}
		if _, _, live := terminal.Size(to); live && n == 1 {
			defer fmt.Fprintln(to) // what follows begins below the page
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

// fitted is a page as it is, or for a terminal in the place of the page before.
func fitted(page string, to io.Writer) string {
	columns, rows, live := terminal.Size(to)
	if !live {
		return page
	}
	lines := strings.Split(strings.TrimRight(page, "\n"), "\n")
	if left := len(lines) - rows + 1; rows > 0 && left > 1 {
		lines = append(lines[:rows-1], fmt.Sprintf("... %d more rows", left))
	}
	for i := range lines {
		if columns > 0 {
			lines[i] = terminal.Clip(lines[i], columns)
		}
	}
	// A newline at the end would scroll a page that has as many lines as the terminal.
	return clearScreen + strings.Join(lines, "\n")
}

// allWorkers are those of all pools in one table, which names the pool where there
// are several.
func (c *ctl) allWorkers(ctx context.Context, proxy *client.Client, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	pools, err := proxy.Pools(ctx)
	if err != nil {
		return exitOf(err)
	}
	type row struct {
		Pool string `json:"pool,omitempty"`
		wire.WorkerInfo
	}
	rows, all := []row{}, map[string]any{}
	for _, p := range pools {
		if p.Paused { // seldom, and then nothing else matters
			all["paused"] = true
		}
		for w, err := range proxy.Pool(p.Pool).Workers(ctx, client.Filter{}) {
			if err != nil {
				return exitOf(err)
			}
			r := row{p.Pool, w}
			if len(pools) == 1 {
				r.Pool = ""
			}
			rows = append(rows, r)
		}
	}
	all["workers"] = rows
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return c.print(to, wire.Reply{Body: body})
}
