package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// Defaults of a [Config].
const (
	DefaultMode = fs.FileMode(0o600)
	DefaultRate = 5000 // requests a second of one connection
)

// Config is how a control socket is reached, and by whom.
type Config struct {
	// Endpoints to listen on: ipc://PATH, tcp://HOST:PORT.
	Endpoints []string
	// Mode of the files of ipc endpoints; 0 means DefaultMode.
	Mode fs.FileMode
	// Cert is a certificate in czmq's format with a secret key, and Clients a
	// directory of public ones. With them tcp endpoints use CURVE; without, only
	// loopback is served.
	Cert, Clients string
	// LoopbackLevel is that of callers over tcp without CURVE.
	LoopbackLevel wire.Level
	// Rate bounds the requests a second of one connection; 0 means DefaultRate.
	Rate int
	// Connections bounds those of one endpoint; 0 means an eighth of the descriptors
	// that the process may open, at most 16384.
	Connections int
	// Inherit are listeners that another process has made, in whose place this one goes on.
	// Their files are that one's until [Server.Succeed].
	Inherit []Listener
	// Log gets what an operator should know; nil discards it.
	Log *slog.Logger
}

// Listener is a listening socket of an endpoint.
type Listener struct {
	Setting string // the endpoint as it is configured
	Events  bool   // it is for events, beside the one for requests
	FD      int    `json:"-"`
}

// domain is the security of an endpoint; the ZAP handler is told its name.
type domain string

const (
	domainFile domain = "control.ipc"
	domainNULL domain = "control.loopback"
	// domainCURVE and the others are those of requests; events are of operators only.
	domainCURVE domain = "control.curve"

	eventsSuffix = ".events"
)

func (d domain) events() domain { return d + eventsSuffix }

// listener is an endpoint with its security.
type listener struct {
	endpoint.Endpoint
	domain domain
}

// Mistake is what is wrong with one setting of a [Config].
type Mistake struct {
	Setting Setting
	Index   int   // of the endpoint that is meant
	Err     error // one line, which says how to make it right
}

// Setting is a part of a [Config] that can be wrong, as files call it.
type Setting string

// The settings.
const (
	SettingEndpoints Setting = "endpoints"
	SettingMode      Setting = "mode"
	SettingCert      Setting = "cert" // or clients: one without the other
)

// Error begins with "control".
func (m *Mistake) Error() string { return "control: " + m.Err.Error() }

// Unwrap is the reason.
func (m *Mistake) Unwrap() error { return m.Err }

// Validate finds everything that can be known to be wrong without binding an
// endpoint: a [*Mistake] for each, one line.
func (c *Config) Validate() error {
	_, mistakes := c.listeners()
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = m
	}
	return errors.Join(errs...)
}

// Mistakes are what Validate joins.
func (c *Config) Mistakes() []*Mistake {
	_, mistakes := c.listeners()
	return mistakes
}

// Equal says whether two control sockets are reached in the same way by the same
// callers. Where they log does not matter.
func (c *Config) Equal(other *Config) bool {
	return slices.Equal(c.Endpoints, other.Endpoints) && c.Mode == other.Mode && c.Cert == other.Cert && c.Clients == other.Clients &&
		c.LoopbackLevel == other.LoopbackLevel && c.Rate == other.Rate && c.Connections == other.Connections
}

func (c *Config) listeners() (all []listener, mistakes []*Mistake) {
	if (c.Cert == "") != (c.Clients == "") {
		mistakes = append(mistakes, &Mistake{
			Setting: SettingCert,
			Err:     errors.New("CURVE needs both a certificate of the proxy and a directory of its callers' public ones"),
		})
	}
	if c.Mode&^0o777 != 0 {
		mistakes = append(mistakes, &Mistake{Setting: SettingMode, Err: fmt.Errorf("mode %o is no file mode", c.Mode)})
	}
	for i, s := range c.Endpoints {
		l, err := c.listener(s)
		if err != nil {
			mistakes = append(mistakes, &Mistake{Setting: SettingEndpoints, Index: i, Err: err})
		}
		all = append(all, l)
	}
	return all, mistakes
}

func (c *Config) listener(s string) (listener, error) {
	ep, err := endpoint.Parse(s)
	l := listener{Endpoint: ep}
	switch {
	case err != nil:
		return l, err
	case ep.File() != "":
		l.domain = domainFile
	case !ep.Addressed():
		return l, fmt.Errorf("%s: an abstract socket has no file mode to guard it: use a path", s)
	case c.Cert != "" || c.Clients != "": // one alone is a mistake already
		l.domain = domainCURVE
	case !loopback(ep.Host):
		return l, unguarded(s)
	default:
		l.domain = domainNULL
	}
	return l, nil
}

func unguarded(address string) error {
	return fmt.Errorf("%s: without CURVE whoever reaches it could steer the proxy: "+
		"give a certificate and a directory of clients' (--control-cert, --control-clients), or use ipc:// or 127.0.0.1", address)
}

// at is the listener at one of the addresses of its name. Without CURVE all of
// them have to be loopback, since which one it is may change.
func (l listener) at(addresses []endpoint.Endpoint) (listener, error) {
	for _, a := range addresses {
		if l.domain == domainNULL && !loopback(a.Host) {
			return l, unguarded(fmt.Sprintf("%s is %s", l.Endpoint, a))
		}
	}
	l.Endpoint = addresses[0]
	return l, nil
}

// loopback says whether only this machine reaches a host. No name but localhost
// is looked up, for which [listener.at] sees whether it is true.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
