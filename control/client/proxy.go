package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// The calls of operators that are about the whole proxy. Those about one pool
// are in [Pool].

// Version asks what is running.
func (c *Client) Version(ctx context.Context) (v wire.Version, err error) {
	return v, c.ask(ctx, &v, "VERSION")
}

// Status is the whole at a glance.
func (c *Client) Status(ctx context.Context) (s wire.Status, err error) {
	return s, c.ask(ctx, &s, "STATUS")
}

// Pools are the pools and their endpoints.
func (c *Client) Pools(ctx context.Context) ([]wire.PoolInfo, error) {
	var all wire.Pools
	err := c.ask(ctx, &all, "POOLS")
	return all.Pools, err
}

// Proxies are those that share the store, this one included. [wire.Conflict] when nothing is shared, or
// the store does not answer.
func (c *Client) Proxies(ctx context.Context) ([]wire.ProxyInfo, error) {
	var all wire.Proxies
	err := c.ask(ctx, &all, "PROXIES")
	return all.Proxies, err
}

// Verbs are what the proxy knows, which may be of another version than this package.
func (c *Client) Verbs(ctx context.Context) ([]wire.Verb, error) {
	var all wire.Verbs
	err := c.ask(ctx, &all, "HELP")
	return all.Verbs, err
}

// Reload has the proxy read its configuration again. [wire.Conflict] when that was
// refused: then nothing has changed.
func (c *Client) Reload(ctx context.Context) error { return c.ask(ctx, nil, "RELOAD") }

// Upgrade has the program that is now at the proxy's path go on in the proxy's place, with all
// that it has. [wire.Conflict] when that came to nothing: then nothing has changed. The connection
// is another process's afterwards, and comes back by itself.
func (c *Client) Upgrade(ctx context.Context) error { return c.ask(ctx, nil, "UPGRADE") }

// LogLevel is the least level that is logged.
func (c *Client) LogLevel(ctx context.Context) (slog.Level, error) {
	var l wire.LogLevel
	err := c.ask(ctx, &l, "LOGLEVEL")
	return l.Level, err
}

// SetLogLevel sets one of the four levels that slog names.
func (c *Client) SetLogLevel(ctx context.Context, l slog.Level) error {
	return c.ask(ctx, nil, "LOGLEVEL", strings.ToLower(l.String()))
}

// Shutdown ends the proxy when its pairs have ended, or at the deadline, from
// now; below zero it is the configuration's. Where it was said before the earlier
// deadline stays. It does not wait for it.
func (c *Client) Shutdown(ctx context.Context, deadline time.Duration) error {
	if deadline < 0 {
		return c.ask(ctx, nil, "SHUTDOWN")
	}
	return c.ask(ctx, nil, "SHUTDOWN", deadline.String())
}

// LameDuck makes pools lame ducks, or ends that: they serve, new clients included, and
// are not ready, so that a balancer sends clients elsewhere. All pools are meant where
// none is named. [wire.Conflict] for the end of it when the proxy was told to end.
func (c *Client) LameDuck(ctx context.Context, on bool, pools ...string) error {
	word := "off"
	if on {
		word = "on"
	}
	if len(pools) == 0 {
		return c.ask(ctx, nil, "LAMEDUCK", word)
	}
	for _, pool := range pools {
		if err := c.ask(ctx, nil, "LAMEDUCK", word, "pool="+pool); err != nil {
			return err
		}
	}
	return nil
}

// Terminate ends the proxy at once. It does not wait for it.
func (c *Client) Terminate(ctx context.Context) error { return c.ask(ctx, nil, "TERMINATE") }

// Pause stops the reading of all connections until Resume.
func (c *Client) Pause(ctx context.Context) error { return c.ask(ctx, nil, "PAUSE") }

// Resume goes on after Pause.
func (c *Client) Resume(ctx context.Context) error { return c.ask(ctx, nil, "RESUME") }

// Statistics are what has gone from clients to workers, and back.
func (c *Client) Statistics(ctx context.Context) (s wire.Statistics, err error) {
	return s, c.ask(ctx, &s, "STATISTICS")
}

// list asks for a list page by page, as it is read. An error comes once, last.
func list[T any](ctx context.Context, c *Client, verb string, args []string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := ""; ; {
			rows, next, err := nextPage[T](ctx, c, verb, args, after)
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if next == "" {
				return
			}
			after = next
		}
	}
}

// nextPage is the page that follows after, the first for "".
func nextPage[T any](ctx context.Context, c *Client, verb string, args []string, after string) (rows []T, next string, err error) {
	args = append([]string{"limit=" + strconv.Itoa(wire.MaxPage)}, args...)
	if after != "" {
		args = append(args, "after="+after)
	}
	var body map[string]json.RawMessage
	if err := c.ask(ctx, &body, verb, args...); err != nil {
		return nil, "", err
	}
	err = json.Unmarshal(body[wire.RowsOf(verb)], &rows)
	if last, more := body["next"]; err == nil && more {
		err = json.Unmarshal(last, &next)
	}
	if err != nil {
		return nil, "", fmt.Errorf("control %s: %s: %w", c.endpoint, verb, err)
	}
	return rows, next, nil
}
