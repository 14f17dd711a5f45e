package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed load/*
var loadSources embed.FS

// buildLoad compiles the load generator into dir.
func buildLoad(dir string) (client, worker string, err error) {
	files, err := loadSources.ReadDir("load")
	if err != nil {
		return "", "", err
	}
	for _, f := range files {
		text, err := loadSources.ReadFile("load/" + f.Name())
		if err != nil {
			return "", "", err
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600); err != nil {
			return "", "", err
		}
	}
	client, worker = filepath.Join(dir, "client"), filepath.Join(dir, "worker")
	for _, program := range []string{client, worker} {
		out, err := exec.Command("cc", "-O2", "-o", program, program+".c", "-lzmq").CombinedOutput()
		if err != nil {
			return "", "", fmt.Errorf("the load generator does not build (cc and libzmq's headers? tools/setup.sh): %w\n%s", err, out)
		}
	}
	return client, worker, nil
}

// workerArgs are the arguments of the worker: one that dials in when a backend is given.
func workerArgs(c benchCase, k keys, backend string) []string {
	// One connection needs no routing, and a ROUTER's is what a benchmark of 64 bytes would see.
	args := []string{"socket=router", "hwm=" + strconv.Itoa(c.hwm())}
	if c.kind == throughput {
		args[0] = "socket=dealer"
	}
	if c.mechanism == curve {
		args = append(args, "server-secret="+k.workerSecret)
	}
	if backend == "" {
		return append(args, "bind=tcp://127.0.0.1:*")
	}
	return append(args, "connect=tcp://"+backend, "slots="+strconv.Itoa(c.slots()))
}

// window is how many bytes are under way one way at a time: more does not make a direct connection faster, and the
// stream relay may keep twice as much for a worker that lags behind.
const window = 2 << 20

func clientArgs(c benchCase, k keys, serverPublic, address string) []string {
	args := []string{
		"do=" + string(c.kind), "endpoint=tcp://" + address, "hwm=" + strconv.Itoa(c.hwm()),
		"size=" + strconv.Itoa(c.size), "clients=" + strconv.Itoa(c.clients),
		"count=" + strconv.Itoa(c.count), "warm=" + strconv.Itoa(c.warm), "window=" + strconv.Itoa(window),
	}
	if c.mechanism == curve {
		args = append(args, "server-public="+serverPublic, "client-public="+k.clientPublic, "client-secret="+k.clientSecret)
	}
	return args
}

// parseResult reads the key=value that a client prints at its end.
func parseResult(line string) (map[string]float64, error) {
	result := map[string]float64{}
	for _, field := range strings.Fields(line) {
		key, text, ok := strings.Cut(field, "=")
		value, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("the client's result has %q in it", field)
		}
		result[key] = value
	}
	return result, nil
}
