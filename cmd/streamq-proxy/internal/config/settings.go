package config

// Settings is what a user wrote, in a file or in flags. "" and nil stand for
// what was not said. The zero value has no pool.
type Settings struct {
	HTTP         *string  `yaml:"http"`
	WebConfig    string   `yaml:"web-config"`
	HTTPAdmin    []string `yaml:"http-admin"`
	GrafanaURL   string   `yaml:"grafana-url"`
	IOThreads    string   `yaml:"io-threads"`
	RelayThreads string   `yaml:"relay-threads"`
	DrainDelay   string   `yaml:"drain-delay"`
	DrainTimeout string   `yaml:"drain-timeout"`
	Ready        string   `yaml:"ready"`
	Nameservers  []string `yaml:"nameservers"`
	// Shared is the URL of a store, which may have a password.
	Shared             string  `yaml:"shared"`
	SharedWait         string  `yaml:"shared-wait"`
	SharedPrefix       string  `yaml:"shared-prefix"`
	SharedPasswordFile string  `yaml:"shared-password-file"`
	Log                Log     `yaml:"log"`
	Control            Control `yaml:"control"`
	Pools              []Pool  `yaml:"pools"`

	source *source         // of the file; nil when there is none
	flags  map[string]bool // settings that a flag replaced
}

// Log is how to log.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
	Access *bool  `yaml:"access"`
}

// Control is the control socket.
type Control struct {
	Endpoints     []string `yaml:"endpoints"`
	Mode          string   `yaml:"mode"`
	Cert          string   `yaml:"cert"`
	Clients       string   `yaml:"clients"`
	LoopbackLevel string   `yaml:"loopback-level"`
	Rate          string   `yaml:"rate"`
}

// Pool is one frontend, one backend and the workers behind them.
type Pool struct {
	Name              string     `yaml:"name"`
	Frontend          []Frontend `yaml:"frontend"`
	Backend           []string   `yaml:"backend"`
	Workers           []Worker   `yaml:"workers"`
	WorkersFile       string     `yaml:"workers-file"`
	Policy            string     `yaml:"policy"`
	Relay             string     `yaml:"relay"`
	Lease             string     `yaml:"lease"`
	LeaseTTL          string     `yaml:"lease-ttl"`
	QueueMax          string     `yaml:"queue-max"`
	QueueTimeout      string     `yaml:"queue-timeout"`
	MaxClients        string     `yaml:"max-clients"`
	MaxPerAddress     string     `yaml:"max-per-address"`
	Expect            string     `yaml:"expect"`
	NoWorker          string     `yaml:"no-worker"`
	NoWorkerWait      string     `yaml:"no-worker-wait"`
	Mechanisms        []string   `yaml:"mechanisms"`
	AcceptProxy       []string   `yaml:"accept-proxy"`
	Doors             []Door     `yaml:"doors"`
	DoorMax           string     `yaml:"door-max"`
	Source            []string   `yaml:"source"`
	ClientAddresses   string     `yaml:"client-addresses"`
	HandshakeTimeout  string     `yaml:"handshake-timeout"`
	ConnectTimeout    string     `yaml:"connect-timeout"`
	SlotMaxAge        string     `yaml:"slot-max-age"`
	SlotLostAfter     string     `yaml:"slot-lost-after"`
	PairBuffer        string     `yaml:"pair-buffer"`
	KeepAliveIdle     string     `yaml:"keepalive-idle"`
	KeepAliveInterval string     `yaml:"keepalive-interval"`
	KeepAliveCount    string     `yaml:"keepalive-count"`
	UserTimeout       string     `yaml:"user-timeout"`
	Affinity          string     `yaml:"affinity"`
	AffinityMax       string     `yaml:"affinity-max"`
	AffinityMaxLoad   string     `yaml:"affinity-max-load"`
	AffinityTTL       string     `yaml:"affinity-ttl"`
	Group             string     `yaml:"group"`
	HintMax           string     `yaml:"hint-max"`
	HintTTL           string     `yaml:"hint-ttl"`
	HintMaxPerAddress string     `yaml:"hint-max-per-address"`
	FinishTimeout     string     `yaml:"finish-timeout"`
	RetryMin          string     `yaml:"retry-min"`
	RetryMax          string     `yaml:"retry-max"`
	SlowStart         string     `yaml:"slow-start"`
	Failback          string     `yaml:"failback"`
	OnDown            string     `yaml:"on-down"`
	HintWait          string     `yaml:"hint-wait"`
	RequireHello      string     `yaml:"require-hello"`
}

// Door is a frontend endpoint through which clients have an identity.
type Door struct {
	Identity string `yaml:"identity"`
	Endpoint string `yaml:"endpoint"`
}

// Worker is a worker that listens.
type Worker struct {
	Name          string   `yaml:"name"`
	Endpoint      string   `yaml:"endpoint"`
	Weight        string   `yaml:"weight"`
	Max           string   `yaml:"max"`
	MaxHandshakes string   `yaml:"max-handshakes"`
	Source        []string `yaml:"source"`
	Resolve       string   `yaml:"resolve"`
	Interval      string   `yaml:"interval"`
}

// Replaced notes that a flag has said this setting, so that a mistake in it is
// shown with the flag and not with the file.
func (s *Settings) Replaced(setting string) {
	if s.flags == nil {
		s.flags = map[string]bool{}
	}
	s.flags[setting] = true
}

// FromFile says whether the settings were read from a file.
func (s *Settings) FromFile() bool { return s.source != nil }
