//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/stream"
)

func newCheckCommand(cpus int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "say whether a configuration file is right, and where it is not",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("check takes one file, and was given %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			summary, err := check(args[0], cpus)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), summary)
			return err
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		err = flagError(cmd, err)
		if strings.Contains(err.Error(), "--config") { // which run has
			return fmt.Errorf("%w (check FILE: its file has no flag)", err)
		}
		return err
	})
	return cmd
}

// check reads a file and binds nothing. Its error shows every mistake.
func check(file string, cpus int) (summary string, err error) {
	s, err := config.Read(file)
	if err != nil {
		return "", err
	}
	plan, err := s.Plan(cpus)
	var all config.Mistakes
	switch {
	case errors.As(err, &all):
		return "", errors.Join(all...)
	case err != nil:
		return "", err
	}
	missing, err := plan.CheckFiles()
	if err != nil {
		return "", err
	}
	lines := []string{fmt.Sprintf("%s: ok: %s", file, summarise(plan))}
	if plan.Shared.On() {
		lines = append(lines, fmt.Sprintf("shared: %s knows which worker a client had at another proxy; a client waits for that %v at most", plan.Shared.Server, plan.Shared.Wait))
	}
	for i := range plan.Pools {
		for _, finder := range plan.Finders[i] {
			lines = append(lines, fmt.Sprintf("pool %s: workers: %s", plan.Pools[i].Name, sought(&finder)))
		}
		if group := plan.Pools[i].Group.Name(); group != "" {
			lines = append(lines, fmt.Sprintf("pool %s: in group %s: a client has the same worker as in its other pools", plan.Pools[i].Name, group))
		}
		if line := balanced(&plan.Pools[i]); line != "" {
			lines = append(lines, line)
		}
		for _, w := range plan.Pools[i].Workers {
			if w.Source != "" {
				lines = append(lines, fmt.Sprintf("pool %s: worker %s is dialled from %s", plan.Pools[i].Name, w.Name, strings.ReplaceAll(w.Source, ",", ", ")))
			}
		}
		lines = append(lines, sourcesElsewhere(&plan.Pools[i])...)
		lines = append(lines, vanished(&plan.Pools[i]))
	}
	for _, path := range missing {
		lines = append(lines, fmt.Sprintf("%s is not there yet", path))
	}
	return strings.Join(lines, "\n"), nil
}

// balanced says from whom a pool takes PROXY headers at which endpoint, "" for from nobody.
func balanced(p *stream.Config) string {
	var all []string
	somebody := false
	for i, e := range p.Frontend {
		from := p.SendersAt(i)
		somebody = somebody || from.IPC || len(from.Networks) > 0
		all = append(all, fmt.Sprintf("at %s from %v", e, from))
	}
	if !somebody {
		return ""
	}
	return fmt.Sprintf("pool %s: PROXY headers are taken %s", p.Name, strings.Join(all, "; "))
}

// sourcesElsewhere names addresses that workers are to be dialled from and that this machine does
// not have. That is no mistake: another machine may be meant, or the address may come with a failover.
func sourcesElsewhere(p *stream.Config) (lines []string) {
	all := slices.Clone(p.Sources)
	for _, w := range p.Workers {
		own, _ := stream.ParseSources(w.Source)
		all = append(all, own...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	for _, ip := range slices.Compact(all) {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))) // which takes no port of TCP
		if err != nil {
			lines = append(lines, fmt.Sprintf("pool %s: source %v is no address of this machine now: nobody can be dialled from it", p.Name, ip))
			continue
		}
		_ = c.Close()
	}
	return lines
}

// vanished says when a pool's peers that go without a word are found.
func vanished(p *stream.Config) string {
	silent := "never by the kernel (keepalive-idle 0)"
	if k := p.KeepAlive; k.Idle > 0 {
		silent = fmt.Sprintf("after %v (keepalive-idle %v + %d x keepalive-interval %v)",
			k.Found(p.UserTimeout), k.Idle, k.Probes(p.UserTimeout), k.Interval)
	}
	unacknowledged := "by the kernel's own time, some 15m (user-timeout 0)"
	if p.UserTimeout > 0 {
		unacknowledged = fmt.Sprintf("after %v (user-timeout)", p.UserTimeout)
	}
	return fmt.Sprintf("pool %s: a peer that vanished is found %s when silent, %s when bytes for it wait", p.Name, silent, unacknowledged)
}

func summarise(plan *config.Plan) string {
	var names []string
	frontends, backends, workers := 0, 0, 0
	for _, p := range plan.Pools {
		names = append(names, p.Name)
		frontends += len(p.Frontend)
		backends += len(p.Backend)
		workers += len(p.Workers)
	}
	return fmt.Sprintf("%s (%s), %s, %s, %s", count(len(names), "pool"), strings.Join(names, ", "),
		count(frontends, "frontend endpoint"), count(backends, "backend endpoint"), count(workers, "listening worker"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
