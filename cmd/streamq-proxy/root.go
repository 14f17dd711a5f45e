//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newRootCommand is the program without arguments, which shows its commands on
// stdout. The process may use so many CPUs.
func newRootCommand(cpus int, stdout io.Writer) *cobra.Command {
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
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newRunCommand(cpus), newCheckCommand(cpus), newCtlCommand(), newAgentCommand(cpus), newKeygenCommand(), newDemoCommand(cpus), newReasonCommand(), newVersionCommand())
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetOut(stdout) // completeShells remembers it
	completeShells(root)
	addManCommand(root)
	return root
}

// flagError is one line about a flag that is unknown, or whose value is wrong.
func flagError(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) {
		err = misused(wrong)
	}
	return fmt.Errorf("%s (see %s --help)", oneLine(err), cmd.CommandPath())
}

// misused is a wrong value in words of our own: pflag's line repeats all that was
// said, or names functions of Go.
func misused(e *pflag.InvalidValueError) error {
	f := e.GetFlag()
	if _, ours := f.Value.(*value); ours {
		return fmt.Errorf("--%s: %w", f.Name, e.Unwrap())
	}
	return fmt.Errorf("--%s: %q is no %s", f.Name, e.GetValue(), f.Value.Type())
}

// completeShells adds cobra's command for the completion of shells, and has it
// refuse what is none.
func completeShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		var shells []string
		for _, s := range cmd.Commands() {
			shells = append(shells, s.Name())
		}
		want := "completion wants a shell: " + strings.Join(shells, ", ")
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New(want)
			}
			return fmt.Errorf("%s, not %q", want, args[0])
		}
	}
}

// noArguments refuses arguments with a line of our own: cobra's spans several.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		hint := ""
		if cmd.Flags().Lookup("config") != nil {
			hint = fmt.Sprintf(" (a file is named by --config %s)", args[0])
		}
		return fmt.Errorf("%s takes no argument, and was given %q%s", cmd.Name(), args[0], hint)
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
