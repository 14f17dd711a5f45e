package config

import (
	"fmt"
	"io/fs"
	"strconv"

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
			n, err = 0, fmt.Errorf("%q is no file mode (such as 0600 or 0660)", s.Mode)
		}
		c.fail(-1, "control.mode", err)
		cfg.Mode = fs.FileMode(n)
	}
	if s.LoopbackLevel != "" && !c.fail(-1, "control.loopback-level", oneOf(s.LoopbackLevel, wire.LevelNames()...)) {
		cfg.LoopbackLevel, _ = wire.ParseLevel(s.LoopbackLevel) // oneOf has left nothing that could fail
	}
	cfg.Rate = c.number(-1, "control.rate", s.Rate, control.DefaultRate, 1, maxRate)
	for _, m := range cfg.Mistakes() {
		path := "control." + string(m.Setting)
		if m.Setting == control.SettingEndpoints {
			path += fmt.Sprintf("[%d]", m.Index)
		}
		c.fail(-1, path, plain(m.Err))
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
