package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// row is one of those that are compared.
type row struct {
	name   string
	dialIn bool // the worker connects to the proxy
	// terminates says that the client's CURVE ends here and not at the worker.
	terminates bool
	// start starts the proxy, or two of them; nil is no proxy. With an error it returns those that are to be stopped.
	start func(p programs, s site) (proxies, error)
}

// site is where and for whom a proxy is started.
type site struct {
	dir       string // for its configuration
	frontend  string // HOST:PORT where clients connect
	backend   string // HOST:PORT where workers dial in, or of the second of two proxies
	worker    string // HOST:PORT of the worker that listens
	mechanism string
	keys      keys
	hwm       int
}

// programs are the files that rows are made from.
type programs struct {
	proxy, proxy2  string // streamq-proxy, and another build of it to compare
	haproxy, nginx peerProgram
	self           string // this benchmark, which is the broker too
	client, worker string // the load generator
}

// allRows are in the order of the table.
func allRows(secondBuild bool) []row {
	rows := []row{{name: "direct"}}
	rows = append(rows, proxyRows("", firstBuild)...)
	if secondBuild {
		rows = append(rows, proxyRows("-2", func(p programs) string { return p.proxy2 })...)
	}
	return append(rows,
		haproxyRow(),
		row{name: "haproxy-splice", start: func(p programs, s site) (proxies, error) {
			return alone(startHAProxy(p.haproxy, s, "option splice-auto"))
		}},
		row{name: "nginx", start: func(p programs, s site) (proxies, error) { return alone(startNginx(p.nginx, s)) }},
		row{name: "broker", terminates: true, start: func(p programs, s site) (proxies, error) { return alone(startBroker(p, s)) }})
}

func firstBuild(p programs) string { return p.proxy }

func haproxyRow() row {
	return row{name: "haproxy", start: func(p programs, s site) (proxies, error) { return alone(startHAProxy(p.haproxy, s, "")) }}
}

// agentRows are the agent beside the other ways to a worker, and beside a proxy in front of a proxy, which is what an
// agent and the proxy are to the bytes.
func agentRows() []row {
	return []row{
		{name: "direct"},
		proxyRow("splice", false, "", firstBuild),
		proxyRow("splice", true, "", firstBuild),
		{name: "agent", start: startProxyAndAgent},
		haproxyRow(),
		{name: "haproxy-twice", start: startHAProxyTwice},
	}
}

// proxyRows are one build of streamq-proxy by both relays and both ways for workers to be there.
func proxyRows(suffix string, binary func(programs) string) []row {
	var rows []row
	for _, dialIn := range []bool{false, true} {
		for _, relay := range []string{"splice", "stream"} {
			rows = append(rows, proxyRow(relay, dialIn, suffix, binary))
		}
	}
	return rows
}

func proxyRow(relay string, dialIn bool, suffix string, binary func(programs) string) row {
	name := relay
	if dialIn {
		name += "-dial-in"
	}
	return row{name: name + suffix, dialIn: dialIn, start: func(p programs, s site) (proxies, error) {
		return alone(startProxy(binary(p), relay, dialIn, s))
	}}
}

func startProxy(binary, relay string, dialIn bool, s site) (*process, error) {
	args := []string{
		"run", "--frontend", "tcp://" + s.frontend, "--relay", relay, "--http", "",
		// The others write no access log either, and at the end nobody is there to wait for.
		"--access-log=false", "--log-level", "warn", "--drain-timeout", "1s",
	}
	if dialIn {
		args = append(args, "--backend", "tcp://"+s.backend)
	} else {
		args = append(args, "--worker", "tcp://"+s.worker)
	}
	return spawn("streamq-proxy", nil, binary, args...)
}

// startProxyAndAgent has an agent dial in for the worker, with as many slots as by default.
func startProxyAndAgent(p programs, s site) (proxies, error) {
	ps, err := alone(startProxy(p.proxy, "splice", true, s))
	if err != nil {
		return nil, err
	}
	return ps.and(spawn("streamq-proxy agent", nil, p.proxy, "agent", "--proxy", "tcp://"+s.backend, "--worker", "tcp://"+s.worker,
		"--drain-timeout", "1s"))
}

// startHAProxyTwice has one in front of another, which is at the worker.
func startHAProxyTwice(p programs, s site) (proxies, error) {
	front, back := s, s
	front.worker, back.frontend = s.backend, s.backend
	ps, err := alone(startHAProxy(p.haproxy, front, ""))
	if err != nil {
		return nil, err
	}
	return ps.and(startHAProxy(p.haproxy, back, ""))
}

// freeAddress is a loopback address that nobody listens on. It is below the ports that the system gives to outgoing
// connections, so that none of these takes it in the meantime.
func freeAddress(seed *int) (string, error) {
	for range 1000 {
		*seed = (*seed + 1) % 12000
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+*seed))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port between 20000 and 32000")
}

// awaitListening waits until a child accepts connections.
func awaitListening(ctx context.Context, p *process, address string) error {
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return p.failure("ended early")
		case <-ctx.Done():
			return p.failure("did not listen in time")
		case <-time.After(200 * time.Microsecond):
		}
	}
}

func writeConfig(dir, name, format string, args ...any) (string, error) {
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600)
}
