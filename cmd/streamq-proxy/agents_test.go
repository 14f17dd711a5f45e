//go:build linux && cgo

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWorkersOfAFile: what is not said of a worker is as on the command line, and a 0 that is said is not taken for that.
func TestWorkersOfAFile(t *testing.T) {
	f := agentFlags{file: filepath.Join(t.TempDir(), "workers.yaml")}
	text := "workers:\n  - {name: w1, worker: tcp://127.0.0.1:6000}\n  - {name: w2, worker: tcp://127.0.0.1:6001, slots: 0}\n"
	if err := os.WriteFile(f.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := f.workers()
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Slots != usualSlots || all[0].Name != "w1" || all[1].Slots != 0 {
		t.Errorf("%+v", all)
	}
}
