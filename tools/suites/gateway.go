package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// gateway starts a proxy for each address that a test listens at or connects to.
type gateway struct {
	proxy    string   // the program
	flags    []string // more of its flags
	listener net.Listener

	mu       sync.Mutex
	log      *os.File
	proxies  map[string]*proxied
	order    []string // addresses, the oldest first
	connects int      // since the start
}

// proxied is the proxy of an address.
type proxied struct {
	command *exec.Cmd
	port    string        // of its frontend
	ended   chan struct{} // its log has
}

// most is how many proxies there are at a time: a test has long left the sockets of the oldest.
const most = 48

// socket is where the shims ask.
func (g *gateway) socket() string { return g.listener.Addr().String() }

func startGateway(proxy, dir string) (*gateway, error) {
	l, err := net.Listen("unix", filepath.Join(dir, "gateway"))
	if err != nil {
		return nil, err
	}
	g := &gateway{proxy: proxy, listener: l, proxies: map[string]*proxied{}}
	go g.serve()
	return g, nil
}

func (g *gateway) serve() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return // closed
		}
		go g.answer(c)
	}
}

// answer says at which port the proxy of an address is.
func (g *gateway) answer(c net.Conn) {
	defer func() { _ = c.Close() }() // who asks has the answer, or has gone
	var what, host, port string
	if _, err := fmt.Fscanf(bufio.NewReader(c), "%s %s %s\n", &what, &host, &port); err != nil {
		return
	}
	instead, err := g.port(what, host, port)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gateway: %s %s: %v\n", host, port, err)
		instead = "-"
	}
	_, _ = fmt.Fprintln(c, instead)
}

func (g *gateway) port(what, host, port string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if what == "connect" {
		g.connects++
	}
	address := net.JoinHostPort(host, port)
	if p, known := g.proxies[address]; known {
		return p.port, nil
	}
	if len(g.order) == most {
		g.end(g.order[0])
	}
	p, err := g.start(host, address)
	if err != nil {
		return "", err
	}
	g.proxies[address], g.order = p, append(g.order, address)
	return p.port, nil
}

// start returns when the proxy listens. A worker that cannot be reached is tried again soon: tests connect before they bind.
func (g *gateway) start(host, address string) (*proxied, error) {
	args := []string{
		"run", "--http", "", "--log-format", "json", "--drain-timeout", "0s",
		"--frontend", "tcp://" + net.JoinHostPort(host, "0"), "--worker", "tcp://" + address, "--retry-min", "50ms", "--retry-max", "100ms",
	}
	p := &proxied{command: exec.Command(g.proxy, append(args, g.flags...)...), ended: make(chan struct{})}
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := p.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	port := make(chan string, 1)
	go p.read(log, g.log, port)
	select {
	case p.port = <-port:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("the proxy of %s has ended", address)
	case <-time.After(20 * time.Second):
		_ = p.command.Process.Kill() // it has not ended
		return nil, fmt.Errorf("the proxy of %s does not serve", address)
	}
}

// read copies a proxy's log, and finds in it where it serves.
func (p *proxied) read(from io.Reader, to io.Writer, port chan<- string) {
	defer close(p.ended)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = fmt.Fprintf(to, "%s\n", lines.Text()) // for people only
		var said struct{ Msg, Frontend string }
		if json.Unmarshal(lines.Bytes(), &said) != nil || said.Msg != "serving" {
			continue
		}
		if _, at, err := net.SplitHostPort(said.Frontend[len("tcp://"):]); err == nil {
			port <- at
		}
	}
}

// end ends the proxy of an address.
func (g *gateway) end(address string) {
	p := g.proxies[address]
	_ = p.command.Process.Kill() // it may have ended by itself, which its log tells
	<-p.ended
	_ = p.command.Wait() // killed
	delete(g.proxies, address)
	g.order = g.order[1:]
}

// begin has new proxies for what comes, with more flags, and their log in a file.
func (g *gateway) begin(log string, flags []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.order) > 0 {
		g.end(g.order[0])
	}
	if g.log != nil {
		if err := g.log.Close(); err != nil {
			return err
		}
	}
	var err error
	g.flags, g.connects = flags, 0
	g.log, err = os.Create(log)
	return err
}

// count is how many connections were asked for since begin.
func (g *gateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.connects
}

func (g *gateway) close() error {
	if err := g.begin(os.DevNull, nil); err != nil {
		return err
	}
	return g.listener.Close()
}
