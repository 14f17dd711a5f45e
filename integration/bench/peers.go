package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peerProgram is a program that is not ours, from its package or unpacked from it.
type peerProgram struct {
	path string
	root string // of the tree that it was unpacked into; "" when it is installed
}

// findPeer looks where tools/setup.sh unpacks, then among what is installed.
func findPeer(name, unpacked string) (peerProgram, error) {
	root, err := filepath.Abs(unpacked)
	if err != nil {
		return peerProgram{}, err
	}
	path := filepath.Join(root, "usr/sbin", name)
	if _, err := os.Stat(path); err == nil {
		return peerProgram{path: path, root: root}, nil
	}
	for _, path := range []string{name, "/usr/sbin/" + name} { // sbin is not on everybody's path
		if found, err := exec.LookPath(path); err == nil {
			return peerProgram{path: found}, nil
		}
	}
	return peerProgram{}, fmt.Errorf("%s is missing: tools/setup.sh bench fetches it, or leave it out with -rows", name)
}

// libraries are the directories of a tree with shared libraries in them.
func (p peerProgram) libraries() []string {
	found, _ := filepath.Glob(filepath.Join(p.root, "usr/lib/*-linux-gnu*"))
	return found
}

func (p peerProgram) env() []string {
	if p.root == "" {
		return nil
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(p.libraries(), ":")}
}

// version is the first line that a program says of itself.
func (p peerProgram) version(flag string) string {
	cmd := exec.Command(p.path, flag)
	cmd.Env = append(os.Environ(), p.env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// mostConnections is for how many each peer is set up: above what any case needs, below what descriptors allow.
const mostConnections = 6000

// startHAProxy runs it as its documentation has it for TCP: a thread for each core, time limits that no case reaches.
func startHAProxy(p peerProgram, s site, option string) (*process, error) {
	config, err := writeConfig(s.dir, "haproxy-"+portOf(s.frontend)+".cfg", `global
    maxconn %[1]d
defaults
    mode tcp
    maxconn %[1]d
    backlog 4096
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    %[2]s
listen bench
    bind %[3]s
    server worker %[4]s
`, mostConnections, option, s.frontend, s.worker)
	if err != nil {
		return nil, err
	}
	return spawn("haproxy", p.env(), p.path, "-db", "-q", "-f", config)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// startNginx runs it with a process for each core, each with a listening socket of its own, which shares out
// connections more evenly and accepts them faster than one socket for all.
func startNginx(p peerProgram, s site) (*process, error) {
	module, err := p.streamModule()
	if err != nil {
		return nil, err
	}
	config, err := writeConfig(s.dir, "nginx.conf", `%[1]s
daemon off;
pid %[2]s/nginx.pid;
error_log stderr error;
worker_processes auto;
worker_rlimit_nofile %[3]d;
events {
    worker_connections %[3]d;
}
stream {
    access_log off;
    server {
        listen %[4]s reuseport backlog=4096;
        proxy_connect_timeout 10s;
        proxy_timeout 1h;
        proxy_pass %[5]s;
    }
}
`, module, s.dir, 2*mostConnections+1000, s.frontend, s.worker)
	if err != nil {
		return nil, err
	}
	return spawn("nginx", p.env(), p.path, "-p", s.dir, "-e", "stderr", "-c", config)
}

// streamModule is the line that loads the stream module, or none where it is compiled in.
func (p peerProgram) streamModule() (string, error) {
	module := filepath.Join(p.root, "/usr/lib/nginx/modules/ngx_stream_module.so")
	if _, err := os.Stat(module); err == nil {
		return "load_module " + module + ";", nil
	}
	out, err := exec.Command(p.path, "-V").CombinedOutput()
	if err == nil && strings.Contains(string(out), "--with-stream ") {
		return "", nil
	}
	return "", errors.New("nginx is here without its stream module: install libnginx-mod-stream")
}
