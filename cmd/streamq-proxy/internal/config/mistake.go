package config

import (
	"fmt"
	"strings"
)

// Mistakes is the error of [Settings.Plan]: everything that is wrong, and at
// least one thing.
type Mistakes []error

// Error is the first mistake: one line, or, of a file, one line and the place.
func (m Mistakes) Error() string { return m[0].Error() }

// Unwrap is every mistake.
func (m Mistakes) Unwrap() []error { return m }

// flagName is the flag that says a setting.
func flagName(setting string) string {
	switch setting {
	case "workers":
		return "worker"
	case "nameservers":
		return "nameserver"
	case "log.level", "log.format":
		return strings.Replace(setting, ".", "-", 1)
	case "control.endpoints":
		return "control"
	case "control.mode", "control.cert", "control.clients", "control.loopback-level", "control.rate":
		return strings.Replace(setting, ".", "-", 1)
	case "log.access":
		return "access-log"
	}
	return setting
}

// mistake is one that was made at path, which begins with the setting's name
// inside of its pool ("" when it is about the pool as a whole).
func (s *Settings) mistake(pool int, path, text string) error {
	setting, rest, _ := strings.Cut(path, "[")
	if _, key, found := strings.Cut(rest, "]."); found { // of a worker
		text = key + ": " + text
	}
	if s.flags[setting] || s.source == nil && setting != "" {
		return fmt.Errorf("--%s: %s", flagName(setting), text)
	}
	if s.source == nil {
		return fmt.Errorf("%s", text)
	}
	full := "$"
	if pool >= 0 {
		full = fmt.Sprintf("$.pools[%d]", pool)
	}
	if s.source.list {
		full += strings.TrimPrefix(path, "workers")
	} else if path != "" {
		full += "." + path
	}
	at := s.source.find(full)
	if setting != "" && setting != "workers" {
		text = setting + ": " + text
	}
	if at == nil {
		return fmt.Errorf("%s: %s", s.source.name, text)
	}
	return fmt.Errorf("%s", s.source.show(at, text))
}
