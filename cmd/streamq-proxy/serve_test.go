package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// serve has a proxy run until the test ends. The arguments may say where its control
// socket is by $STREAMQ_CONTROL, by which ctl finds it.
func serve(t *testing.T, args ...string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "serve") // t.TempDir may be too long for a unix socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(controlVariable, "ipc://"+filepath.Join(dir, "c"))
	all := []string{"run", "--http", ""}
	for _, a := range args {
		all = append(all, os.ExpandEnv(a))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, all, &bytes.Buffer{}, &bytes.Buffer{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir)
	})
}
