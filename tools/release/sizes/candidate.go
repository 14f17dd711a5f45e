package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long one may take to accept its first connection.
const patience = 30 * time.Second

// candidate is a program that passes connections on, and what was found of it.
type candidate struct {
	name, version, path string
	libraries           string // LD_LIBRARY_PATH, or ""
	// arguments have it listen at an address, with files of its own in a directory.
	arguments func(dir, address string) ([]string, error)

	packed, installed int64 // bytes
	times             []time.Duration
	memory            []int64 // bytes
}

// start starts it once, notes time and memory, and ends it.
func (c *candidate) start(ctx context.Context, dir string) (err error) {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	args, err := c.arguments(dir, address)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if c.libraries != "" {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+c.libraries)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // each has an exit code of its own for that
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, said.Bytes())
		}
	}()
	if err := accepted(address); err != nil {
		return err
	}
	c.times = append(c.times, time.Since(begun))
	bytes, err := memory(cmd.Process.Pid)
	c.memory = append(c.memory, bytes)
	return err
}

// accepted returns when a connection to the address is.
func accepted(address string) error {
	for begun := time.Now(); ; time.Sleep(200 * time.Microsecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Since(begun) > patience {
			return err
		}
	}
}

// freeAddress is one of the loopback at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// memory is the proportional share (PSS, proc(5)) in bytes of a process and those that it has started.
func memory(pid int) (int64, error) {
	directory := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(directory, "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(text), "\nPss:")
	fields := strings.Fields(after)
	if !found || len(fields) < 2 || fields[1] != "kB" {
		return 0, fmt.Errorf("process %d has no share of memory", pid)
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, err
	}
	sum := kilobytes << 10
	lists, err := filepath.Glob(filepath.Join(directory, "task/*/children"))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return 0, err
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return 0, err
			}
			bytes, err := memory(child)
			if err != nil {
				return 0, err
			}
			sum += bytes
		}
	}
	return sum, nil
}

func proxyArguments(_, address string) ([]string, error) {
	return []string{"run", "--http", "", "--frontend", "tcp://" + address, "--worker", "tcp://127.0.0.1:1"}, nil
}

func haproxyArguments(dir, address string) ([]string, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1m\n    timeout server 1m\nlisten all\n    bind %s\n    server one 127.0.0.1:1\n", address)
	return []string{"-db", "-q", "-f", file}, os.WriteFile(file, []byte(text), 0o644)
}

func nginxArguments(root string) func(dir, address string) ([]string, error) {
	return func(dir, address string) ([]string, error) {
		file := filepath.Join(dir, "nginx.conf")
		text := fmt.Sprintf("load_module %s/usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\nerror_log stderr;\npid %s/nginx.pid;\nevents {}\nstream {\n    server { listen %s; proxy_pass 127.0.0.1:1; }\n}\n",
			root, dir, address)
		return []string{"-p", dir, "-e", "stderr", "-c", file}, os.WriteFile(file, []byte(text), 0o644)
	}
}
