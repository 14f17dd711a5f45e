package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// Defaults of what is not a pool's.
const (
	DefaultHTTP         = "127.0.0.1:9555"
	DefaultDrainTimeout = 30 * time.Second
	DefaultIOThreads    = 1
)

// Which pools have to be ready for /readyz to say so, when it is not asked for one.
const (
	ReadyAny = "any"
	ReadyAll = "all"
)

// maxIOThreads is far above what any machine can use (libzmq's manual advises
// one per gigabyte per second).
const maxIOThreads = 64

// Plan is [Settings] with every default filled in and every value checked.
type Plan struct {
	CPUs         int           // that the process may use, at least 1
	HTTP         string        // HOST:PORT, "" for none
	WebConfig    string        // file of users and TLS of HTTP, "" for neither
	HTTPAdmin    []string      // users who may steer over HTTP
	GrafanaURL   string        // where the console's link to Grafana leads, "" for to the dashboard's file
	IOThreads    int           // of libzmq
	RelayThreads int           // of the relay of open pairs
	DrainDelay   time.Duration // from the first signal until it drains: unready, and serving
	DrainTimeout time.Duration // from then on until pairs are ended
	ReadyAll     bool          // /readyz wants all pools to be ready, and not any
	LogLevel     slog.Level
	LogJSON      bool
	Access       bool           // log each client that ended
	Control      control.Config // without endpoints there is none
	Nameservers  []string       // HOST:PORT, in place of the system's
	Shared       Shared         // what is remembered together with other proxies, the zero value for nothing
	Pools        []stream.Config
	Finders      [][]discovery.Spec // of workers, for each of the pools
}

// Plan checks the settings for a process that may use so many CPUs, at least 1.
// The error is [Mistakes].
func (s *Settings) Plan(cpus int) (*Plan, error) {
	c := checker{settings: s}
	p := &Plan{CPUs: cpus}
	c.process(p)
	c.control(&p.Control)
	if len(s.Pools) == 0 {
		c.add(-1, "pools", "a file needs a list of them, with at least one")
	}
	for i := range s.Pools {
		pool, finders := c.pool(i, &s.Pools[i])
		p.Pools, p.Finders = append(p.Pools, pool), append(p.Finders, finders)
	}
	c.shared(p)
	c.groups(p.Pools)
	c.across(p.Pools)
	c.prefixes(p.Pools)
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	for i := range p.Pools { // what the checks above should have found, in the words of package stream
		if err := p.Pools[i].Validate(); err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				c.add(i, "", line)
			}
		}
	}
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	return p, nil
}

// checker gathers mistakes.
type checker struct {
	settings *Settings
	mistakes Mistakes
}

// maxMistakes is as many as anybody reads; to find the place of each takes time
// that grows with the file.
const maxMistakes = 100

func (c *checker) add(pool int, path, text string) {
	if len(c.mistakes) >= maxMistakes {
		return
	}
	c.mistakes = append(c.mistakes, c.settings.mistake(pool, path, text))
}

// fail adds err, if there is one, and says whether there was.
func (c *checker) fail(pool int, path string, err error) bool {
	if err != nil {
		c.add(pool, path, err.Error())
	}
	return err != nil
}

// process reads what is not a pool's.
func (c *checker) process(p *Plan) {
	s := c.settings
	p.HTTP = DefaultHTTP
	if s.HTTP != nil {
		p.HTTP = *s.HTTP
	}
	if !c.fail(-1, "http", checkHTTP(p.HTTP)) {
		c.web(p)
	}
	p.IOThreads = c.number(-1, "io-threads", s.IOThreads, DefaultIOThreads, 1, maxIOThreads)
	p.RelayThreads = c.number(-1, "relay-threads", s.RelayThreads, stream.RelayThreads(p.CPUs), 1, stream.MaxRelayThreads)
	p.DrainDelay = c.span(-1, "drain-delay", s.DrainDelay, 0, 0, 0)
	p.DrainTimeout = c.span(-1, "drain-timeout", s.DrainTimeout, DefaultDrainTimeout, 0, 0)
	if s.Ready != "" {
		c.fail(-1, "ready", oneOf(s.Ready, ReadyAny, ReadyAll))
		p.ReadyAll = s.Ready == ReadyAll
	}
	p.Nameservers = c.nameservers()
	if l := s.Log.Level; l != "" && !c.fail(-1, "log.level", oneOf(l, control.LogLevels()...)) {
		_ = p.LogLevel.UnmarshalText([]byte(l)) // oneOf has left nothing that could fail
	}
	if f := s.Log.Format; f != "" {
		c.fail(-1, "log.format", oneOf(f, "text", "json"))
		p.LogJSON = f == "json"
	}
	p.Access = s.Log.Access == nil || *s.Log.Access
}

// checkHTTP says what is wrong with an address to listen on.
func checkHTTP(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address, want HOST:PORT, or \"\" for none", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: port %q is not a number from 0 to 65535", address, port)
	}
	return nil
}

// number is a whole number, if one was said, from low to high (0: no limit).
func (c *checker) number(pool int, path, s string, standard, low, high int) int {
	if s == "" {
		return standard
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		err = fmt.Errorf("%q is no whole number", s)
	case high > 0 && (n < low || n > high):
		err = fmt.Errorf("%d is not from %d to %d", n, low, high)
	case n < low:
		err = fmt.Errorf("%d is below %d", n, low)
	}
	c.fail(pool, path, err)
	return n
}

// aboveZero is the least duration that is one.
const aboveZero = time.Nanosecond

// span is a duration, if it was said, from low to below high (0: to maxDuration).
func (c *checker) span(pool int, path, s string, standard, low, high time.Duration) time.Duration {
	if s == "" {
		return standard
	}
	d, err := duration(s)
	switch {
	case err != nil:
	case high > 0 && (d < low || d >= high):
		err = fmt.Errorf("%v is not from %v to below %v", d, low, high)
	case d < low && low == aboveZero:
		err = fmt.Errorf("%v is not above zero", d)
	case d < low || d > maxDuration:
		err = fmt.Errorf("%v is not from %v to %v", d, low, maxDuration)
	}
	c.fail(pool, path, err)
	return d
}

// plain is an endpoint's error without the words that all of them begin with.
func plain(err error) error {
	var bad *endpoint.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("%q: %s", bad.Endpoint, bad.Reason)
	}
	return err
}
