package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
)

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "say whether a configuration file is right, and where it is not",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("check takes one file, and was given %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			summary, err := check(args[0])
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), summary)
			}
			return err
		},
	}
}

// check reads a file and binds nothing. Its error shows every mistake.
func check(file string) (summary string, err error) {
	s, err := config.Read(file)
	if err != nil {
		return "", err
	}
	plan, err := s.Plan()
	var all config.Mistakes
	switch {
	case errors.As(err, &all):
		return "", errors.Join(all...)
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("%s: ok: %s", file, summarise(plan)), nil
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
