package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
)

// maxRate is far above what a control socket can answer.
const maxRate = 1_000_000

// control reads the settings of the control socket.
func (c *checker) control(cfg *control.Config) {
	s := &c.settings.Control
	cfg.Endpoints, cfg.Cert, cfg.Clients = s.Endpoints, s.Cert, s.Clients
	if s.Mode != "" {
		n, err := strconv.ParseUint(s.Mode, 8, 32)
		if err != nil || n == 0 || n > 0o777 {
			err = fmt.Errorf("%q is no file mode (such as 0600 or 0660)", s.Mode)
		}
		c.fail(-1, "control.mode", err)
		cfg.Mode = fs.FileMode(n)
	}
	if s.LoopbackLevel != "" {
		level, err := wire.ParseLevel(s.LoopbackLevel)
		if err != nil {
			err = oneOf(s.LoopbackLevel, "peer", "operator")
		}
		c.fail(-1, "control.loopback-level", err)
		cfg.LoopbackLevel = level
	}
	cfg.Rate = c.number(-1, "control.rate", s.Rate, control.DefaultRate, 1, maxRate)
	c.fail(-1, "control.cert", unprefixed((&control.Config{Cert: s.Cert, Clients: s.Clients}).Validate()))
	for i, e := range s.Endpoints {
		one := control.Config{Endpoints: []string{e}, Cert: s.Cert, Clients: s.Clients}
		if (s.Cert == "") != (s.Clients == "") {
			one.Cert, one.Clients = "both", "both" // that mistake is known already
		}
		c.fail(-1, fmt.Sprintf("control.endpoints[%d]", i), unprefixed(one.Validate()))
	}
	if len(s.Endpoints) == 0 && s.Mode+s.Cert+s.Clients+s.LoopbackLevel+s.Rate != "" {
		c.add(-1, "control.endpoints", "there are settings of a control socket, and no endpoint of it")
	}
}

// needsControl is about a setting that has no effect without a control socket.
func (c *checker) needsControl(pool int, setting, what string) {
	if len(c.settings.Control.Endpoints) == 0 {
		c.add(pool, setting, what+" needs a control socket: add one (--control ENDPOINT)")
	}
}

// unprefixed is an error of package control without the words that all of its begin with.
func unprefixed(err error) error {
	if err == nil {
		return nil
	}
	return plain(errors.New(strings.TrimPrefix(err.Error(), "control: ")))
}
