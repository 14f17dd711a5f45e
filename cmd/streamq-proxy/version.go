package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/internal/libzmq"
	"github.com/streamq/streamq-proxy/metrics"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := build()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "streamq-proxy %s (%s, %s, libzmq %s, %s/%s)\n",
				b.Version, b.Revision, b.GoVersion, libzmq.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// build is what the Go tool noted about this binary.
func build() metrics.Build {
	b := metrics.Build{Version: "devel", Revision: "unknown revision", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
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
