//go:build linux && cgo

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/pairing"
)

// newReasonCommand tells what the reason of an end means; it asks no proxy.
func newReasonCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reason [NAME]",
		Short: "say what the reason of a client's end means, and what to do about it",
		Long: `Each client ends for exactly one reason, which is in the log, the events and the
metrics. Without a name all reasons are listed.`,
		Example: "  streamq-proxy reason refused-by-worker",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("reason takes one name, and was given %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return reasonNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			reasons := pairing.Reasons()
			if len(args) == 1 {
				r, err := pairing.ParseReason(args[0])
				if err != nil {
					return fmt.Errorf("%w, want %s", err, config.Choice(reasonNames()))
				}
				reasons = []pairing.Reason{r}
			}
			return tellReasons(cmd.OutOrStdout(), reasons)
		},
	}
}

func reasonNames() (names []string) {
	for _, r := range pairing.Reasons() {
		names = append(names, r.String())
	}
	return names
}

func tellReasons(to io.Writer, reasons []pairing.Reason) error {
	for _, r := range reasons {
		if _, err := fmt.Fprintf(to, "%v\n  cause: %s\n  cure:  %s\n", r, r.Cause(), r.Cure()); err != nil {
			return err
		}
	}
	return nil
}
