package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
)

// Shared says where proxies remember together.
type Shared struct {
	Server shared.Server
	Wait   time.Duration // for an answer, at most
	Prefix string        // of all keys
}

// On says whether anything is remembered together.
func (s *Shared) On() bool { return !s.Server.IsZero() }

// Equal says whether two are the same in all.
func (s *Shared) Equal(o *Shared) bool {
	return s.Server.Equal(o.Server) && s.Wait == o.Wait && s.Prefix == o.Prefix
}

// maxPrefix bounds what each key begins with, in bytes.
const maxPrefix = 64

// shared reads where proxies remember together, and has pools do so.
func (c *checker) shared(p *Plan) {
	s := c.settings
	wait := c.span(-1, "shared-wait", s.SharedWait, shared.DefaultWait, aboveZero, pairing.MaxQueueTimeout)
	for setting, said := range map[string]string{"shared-wait": s.SharedWait, "shared-prefix": s.SharedPrefix, "shared-password-file": s.SharedPasswordFile} {
		if s.Shared == "" && said != "" {
			c.add(-1, setting, "without shared (--shared URL) nothing is remembered together")
		}
	}
	if s.Shared == "" {
		return
	}
	server, err := shared.ParseServer(s.Shared)
	if c.fail(-1, "shared", err) {
		return
	}
	if server.PasswordFile = s.SharedPasswordFile; server.PasswordFile != "" && server.HasPassword() {
		c.add(-1, "shared-password-file", "the URL has a password already")
	}
	p.Shared = Shared{server, wait, shared.DefaultPrefix}
	if s.SharedPrefix != "" {
		p.Shared.Prefix = s.SharedPrefix
		c.fail(-1, "shared-prefix", checkPrefix(s.SharedPrefix))
	}
	remembers := false
	for i := range p.Pools {
		p.Pools[i].Pairing.SharedWait = wait
		remembers = remembers || p.Pools[i].Pairing.AffinityMax > 0 || p.Pools[i].Pairing.HintMax > 0
	}
	if len(p.Pools) > 0 && !remembers {
		c.add(-1, "shared", "with affinity-max 0 and hint-max 0 nothing is remembered that could be shared")
	}
}

// checkPrefix holds what keys begin with to what an ACL's pattern takes literally.
func checkPrefix(s string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"
	if len(s) > maxPrefix || strings.Trim(s, allowed) != "" {
		return fmt.Errorf("%q is no prefix of 1 to %d letters, digits, and -_.: beside them", s, maxPrefix)
	}
	return nil
}
