package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand is the program without arguments, which shows its commands.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "streamq-proxy",
		Short: "a transparent security passthrough for ZeroMQ",
		Long: `streamq-proxy stands between ZeroMQ clients and workers and moves their bytes
without reading them: CURVE runs end to end, and the proxy holds no key.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// Errors are printed once, by main, and never with the usage, which
		// would bury the one line that says what is wrong.
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s (see %s --help)", oneLine(err), cmd.CommandPath())
	})
	root.AddCommand(newRunCommand(), newCheckCommand(), newCtlCommand(), newKeygenCommand(), newDemoCommand(), newVersionCommand())
	return root
}

// noArguments refuses arguments with a line of our own: cobra's spans several.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return fmt.Errorf("%s takes no argument, and was given %q", cmd.Name(), args[0])
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return errors.New(text + " (see streamq-proxy --help)")
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
