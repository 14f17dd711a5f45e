package client

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestUsable(t *testing.T) {
	for endpoint, can := range map[string]bool{
		"tcp://127.0.0.1:7000": true, "tcp://[::1]:7000": true, "tcp://proxy.example:7000": true, "ipc:///run/nobody": true, "ipc://@name": true,
		"": false, "foo://x": false, "127.0.0.1:7000": false, "tcp://127.0.0.1": false, "tcp://127.0.0.1:0": false, "tcp://127.0.0.1:65536": false,
		"tcp://*:7000": false, "tcp://:7000": false, "tcp://::1:7000": false, "ipc://": false, "ipc://@": false,
	} {
		if err := usable(endpoint); (err == nil) != can || err != nil && !errors.Is(err, ErrEndpoint) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestUsableForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may use every file")
	}
	file := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(file, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := usable("ipc://" + file); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
