package config

import (
	"fmt"
	"net/url"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/webconfig"
	"github.com/streamq/streamq-proxy/control/api"
)

// web reads who is let in by HTTP, who may steer, and where the console's link to Grafana leads. It refuses what would let strangers steer, or
// send a password in clear over a network.
func (c *checker) web(p *Plan) {
	p.WebConfig, p.HTTPAdmin = c.settings.WebConfig, c.settings.HTTPAdmin
	if p.GrafanaURL = c.settings.GrafanaURL; p.GrafanaURL != "" {
		u, err := url.Parse(p.GrafanaURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			c.add(-1, "grafana-url", fmt.Sprintf("%q is no page's, want https://HOST/PATH", p.GrafanaURL))
		}
	}
	if p.HTTP == "" && (p.WebConfig != "" || len(p.HTTPAdmin) > 0) {
		c.add(-1, "http", `there is a web-config or an http-admin, and nothing is served over HTTP`)
		return
	}
	said := &webconfig.Config{}
	if p.WebConfig != "" {
		var err error
		if said, err = webconfig.Read(p.WebConfig); err != nil {
			c.add(-1, "web-config", fmt.Sprintf("%q: %v", p.WebConfig, err))
			return
		}
	}
	if len(p.HTTPAdmin) == 0 {
		return
	}
	for i, name := range p.HTTPAdmin {
		if name != api.Everybody && !said.Has(name) {
			c.add(-1, fmt.Sprintf("http-admin[%d]", i), fmt.Sprintf("%q is no user of a web-config (basic_auth_users), nor %s", name, api.Everybody))
		}
	}
	switch {
	case api.Loopback(p.HTTP):
	case said.Users() == 0:
		c.add(-1, "http-admin", fmt.Sprintf("whoever reaches %s could steer: say who may come by a web-config with basic_auth_users, or serve HTTP at 127.0.0.1", p.HTTP))
	case !said.TLS():
		c.add(-1, "http-admin", fmt.Sprintf("passwords would go to %s in clear: say tls_server_config in the web-config, or serve HTTP at 127.0.0.1", p.HTTP))
	}
}
