package shared

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// Server says where a Redis, or Valkey, is: one, one with replicas that Sentinel watches, or a cluster.
type Server struct {
	url *url.URL
	// PasswordFile has the password, if the URL has none; it is read for each connection.
	PasswordFile string
}

// parameters that the URL may have.
var parameters = []string{"addr", "master_set", "db"}

// errUnreadable is of what is no URL, as a rule because of a password.
var errUnreadable = errors.New("the URL cannot be read: special characters of a password are written as %XX")

// ParseServer reads redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss:// for TLS, valkey:// and
// valkeys:// likewise, or unix:///PATH. More hosts are named by ?addr=HOST:PORT, and
// master_set=NAME says that the hosts are Sentinels. Errors do not have the password.
func ParseServer(s string) (Server, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Server{}, errUnreadable
	}
	switch u.Scheme {
	case "redis", "rediss", "valkey", "valkeys":
		if u.Hostname() == "" {
			return Server{}, errors.New("the URL has no host")
		}
	case "unix":
		if u.Path == "" || u.Host != "" {
			return Server{}, errors.New("want unix:///PATH")
		}
	default:
		return Server{}, errors.New("want redis://, rediss://, valkey://, valkeys:// or unix://, not something else")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return Server{}, errUnreadable
	}
	for name := range query {
		if !slices.Contains(parameters, name) {
			return Server{}, fmt.Errorf("parameter %q is none of %s", name, strings.Join(parameters, ", "))
		}
	}
	for _, a := range query["addr"] {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return Server{}, fmt.Errorf("addr %q is no HOST:PORT", a)
		}
	}
	if _, err := rueidis.ParseURL(s); err != nil { // a number of a database that is none
		return Server{}, errors.New("want redis://HOST:PORT/NUMBER, where the number is that of a database")
	}
	return Server{url: u}, nil
}

// IsZero says whether it is no server.
func (s Server) IsZero() bool { return s.url == nil }

// Equal says whether two are the same in all.
func (s Server) Equal(o Server) bool {
	return s.IsZero() == o.IsZero() && s.PasswordFile == o.PasswordFile && (s.IsZero() || s.url.String() == o.url.String())
}

// HasPassword says whether the URL has one.
func (s Server) HasPassword() bool {
	_, has := s.url.User.Password()
	return has
}

// String is the URL without the password.
func (s Server) String() string {
	if s.IsZero() {
		return ""
	}
	return s.url.Redacted()
}

// option is what the client library makes of it. connected is told of each connection.
func (s Server) option(connected func(net.Conn)) (rueidis.ClientOption, error) {
	o, err := rueidis.ParseURL(s.url.String())
	if err != nil {
		return o, errors.New("the URL cannot be read") // which ParseServer has found
	}
	if s.PasswordFile != "" {
		user := o.Username
		o.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			text, err := os.ReadFile(s.PasswordFile)
			return rueidis.AuthCredentials{Username: user, Password: strings.TrimSpace(string(text))}, err
		}
	}
	o.Dialer.Timeout, o.ConnWriteTimeout = slowest, slowest
	o.PipelineMultiplex, o.AlwaysPipelining = -1, true // one connection, for what is asked and what is written
	o.CacheSizeEachConn, o.ReadBufferEachConn, o.WriteBufferEachConn = cacheBytes, bufferBytes, bufferBytes
	o.ClusterOption.ShardsRefreshInterval = refreshEvery
	o.DisableRetry = true
	o.ClientName = "streamq-proxy"
	if o.Sentinel.MasterSet != "" {
		o.Sentinel.TLSConfig, o.Sentinel.Dialer, o.Sentinel.TopologyRefreshInterval = o.TLSConfig, o.Dialer, refreshEvery
	}
	dial := o.DialCtxFn
	if dial == nil {
		dial = dialTCP
	}
	o.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, secure *tls.Config) (net.Conn, error) {
		c, err := dial(ctx, address, d, secure)
		if err != nil {
			return nil, err
		}
		connected(c)
		return guard(c, o.Sentinel.MasterSet != ""), nil
	}
	return o, nil
}

func dialTCP(ctx context.Context, address string, d *net.Dialer, secure *tls.Config) (net.Conn, error) {
	if secure == nil {
		return d.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: d, Config: secure}).DialContext(ctx, "tcp", address)
}
