package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// The ways to find workers by name.
const (
	resolveAddresses = "a"
	resolveServices  = "srv"
)

// workers are those that are dialled where they are said to be, and those that are
// looked up by name.
func (c *checker) workers(pool int, workers []Worker) (all []pairing.WorkerConfig, finders []discovery.Spec) {
	names := map[string]bool{}
	for k, w := range workers {
		at := fmt.Sprintf("workers[%d]", k)
		if w.Resolve != "" {
			s := c.finder(pool, at, &w)
			c.workerName(pool, at, s.Name, names)
			finders = append(finders, s)
			continue
		}
		ep, err := endpoint.Parse(w.Endpoint)
		switch {
		case w.Endpoint == "":
			err = errors.New("a worker needs an endpoint that the proxy can dial")
		case err == nil:
			err = ep.Dialable()
		}
		c.fail(pool, at+".endpoint", plain(err))
		if w.Name == "" {
			_, w.Name, _ = strings.Cut(w.Endpoint, "://")
		}
		c.workerName(pool, at, w.Name, names)
		if w.Interval != "" {
			c.add(pool, at+".interval", "it is of a worker that is looked up: set resolve to a or srv")
		}
		is := pairing.WorkerConfig{
			Name: w.Name, Endpoint: w.Endpoint,
			Weight:        c.number(pool, at+".weight", w.Weight, 1, 1, pairing.MaxWeight),
			MaxPairs:      c.number(pool, at+".max", w.Max, 0, 0, 0),
			MaxHandshakes: c.number(pool, at+".max-handshakes", w.MaxHandshakes, 0, 0, 0),
		}
		if c.sources(pool, at+".source", w.Source) {
			is.Source = strings.Join(w.Source, ",")
			c.fail(pool, at+".source", stream.CheckSources(is))
		}
		all = append(all, is)
	}
	return all, finders
}

// sources checks addresses of this machine, and says whether all of them are right.
func (c *checker) sources(pool int, at string, listed []string) bool {
	right := true
	for k, s := range listed {
		_, err := stream.ParseSources(s)
		if err == nil && strings.Contains(s, ",") || s == "" {
			err = fmt.Errorf("%q is no address of this machine", s)
		}
		if err == nil && right { // those before are right each by itself
			_, err = stream.ParseSources(strings.Join(listed[:k+1], ","))
		}
		right = !c.fail(pool, fmt.Sprintf("%s[%d]", at, k), err) && right
	}
	return right
}

func (c *checker) workerName(pool int, at, name string, names map[string]bool) {
	switch err := printable(name); {
	case err != nil:
		c.add(pool, at+".name", err.Error())
	case names[name]:
		c.add(pool, at+".name", fmt.Sprintf("two workers are named %s", name))
	}
	names[name] = true
}

// finder is an entry whose workers are looked up.
func (c *checker) finder(pool int, at string, w *Worker) discovery.Spec {
	s := discovery.Spec{
		Name:          w.Name,
		MaxPairs:      c.number(pool, at+".max", w.Max, 0, 0, 0),
		MaxHandshakes: c.number(pool, at+".max-handshakes", w.MaxHandshakes, 0, 0, 0),
		Interval:      discovery.DefaultInterval,
	}
	if c.sources(pool, at+".source", w.Source) {
		s.Source = strings.Join(w.Source, ",")
	}
	if w.Interval != "" {
		d, err := duration(w.Interval)
		if err == nil && (d < discovery.MinInterval || d > discovery.MaxInterval) {
			err = fmt.Errorf("%v is not from %v to %v", d, discovery.MinInterval, discovery.MaxInterval)
		}
		c.fail(pool, at+".interval", err)
		s.Interval = d
	}
	switch w.Resolve {
	case resolveAddresses:
		s.Kind, s.Weight = discovery.Addresses, c.number(pool, at+".weight", w.Weight, 1, 1, pairing.MaxWeight)
		ep, err := endpoint.Parse(w.Endpoint)
		if err == nil {
			err = ep.Dialable()
		}
		if err == nil {
			err = ep.CheckName()
		}
		c.fail(pool, at+".endpoint", plain(err))
		s.Host, s.Port = ep.Host, ep.Port
	case resolveServices:
		s.Kind = discovery.Services
		if w.Weight != "" {
			c.add(pool, at+".weight", "the weights are those of the SRV records")
		}
		name, err := endpoint.ParseService(w.Endpoint)
		c.fail(pool, at+".endpoint", plain(err))
		s.Host = name
	default:
		c.fail(pool, at+".resolve", oneOf(w.Resolve, resolveAddresses, resolveServices))
	}
	if s.Name == "" {
		s.Name = s.Host
	}
	return s
}

// nameservers are IP:PORT each, the port 53 where it was not said.
func (c *checker) nameservers() (all []string) {
	for k, s := range c.settings.Nameservers {
		at := s
		if _, err := netip.ParseAddr(s); err == nil {
			at = net.JoinHostPort(s, "53")
		}
		host, port, err := net.SplitHostPort(at)
		if err == nil {
			_, err = netip.ParseAddr(host)
		}
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
			c.add(-1, fmt.Sprintf("nameservers[%d]", k), fmt.Sprintf("%q is no IP or IP:PORT", s))
		}
		all = append(all, at)
	}
	return all
}

// ReadWorkers reads a file of workers: a list, in YAML or JSON, of what workers: has in
// a configuration. A mistake in it has line, column and a caret, and nothing of a file
// with a mistake is worth anything.
func ReadWorkers(name string) ([]pairing.WorkerConfig, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	var listed []Worker
	src := &source{name: name, kind: reflect.TypeFor[[]Worker](), list: true}
	if err := src.decode(text, &listed); err != nil {
		return nil, err
	}
	if listed == nil { // null, as a template writes the list that it has not got
		return nil, fmt.Errorf("%s: the file says nothing; [] says that there are no workers", name)
	}
	c := checker{settings: &Settings{source: src}}
	for k, w := range listed {
		if w.Resolve != "" {
			c.add(-1, fmt.Sprintf("workers[%d].resolve", k), "only a configuration can have workers looked up")
		}
	}
	all, _ := c.workers(-1, listed)
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	return all, nil
}

// CheckFiles reads the files of workers that there are. One that is not there yet is no
// mistake: it is waited for.
func (p *Plan) CheckFiles() (missing []string, err error) {
	for _, finders := range p.Finders {
		for _, s := range finders {
			if s.Kind != discovery.File {
				continue
			}
			_, err := ReadWorkers(s.Path)
			if errors.Is(err, os.ErrNotExist) {
				missing = append(missing, s.Path)
			} else if err != nil {
				return missing, err
			}
		}
	}
	return missing, nil
}
