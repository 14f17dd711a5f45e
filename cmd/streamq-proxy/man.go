//go:build man && linux && cgo

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// addManCommand adds the command that writes the manual, a page for each command,
// into a directory. It is of builds with the tag man, which packages are made by, and
// takes the date from SOURCE_DATE_EPOCH.
func addManCommand(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use:    "man DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root.DisableAutoGenTag = true // it would say which tool wrote the page, and when
			header := &doc.GenManHeader{Section: "1", Source: "streamq-proxy " + release, Manual: "streamq-proxy's manual"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("the manual: %w", err)
			}
			return nil
		},
	})
}
