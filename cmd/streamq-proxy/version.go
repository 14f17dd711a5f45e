//go:build linux && cgo

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream/libzmq"
)

// release is the version that this tree is, or comes after; see docs/release.md. The
// revision beside it tells builds of one version apart.
const release = "v0.1.0"

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := build()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "streamq-proxy %s (%s, %s, libzmq %s, %s/%s)\ntried with libzmq %s\n",
				b.Version, b.Revision, b.GoVersion, libzmq.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(libzmq.Tried(), ", "))
			return err
		},
	}
}

// build is this binary: its version, and what the Go tool noted about it.
func build() metrics.Build {
	b := metrics.Build{Version: release, Revision: "unknown revision", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	b.Revision += modified
	return b
}
