//go:build !man && linux && cgo

package main

import "github.com/spf13/cobra"

// addManCommand is for builds that packages are made by, see man.go.
func addManCommand(*cobra.Command) {}
