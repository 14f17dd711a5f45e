package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upgradable is a proxy whose program can be replaced.
type upgradable struct {
	*operated
	path string // of the program
}

// startUpgradable starts a copy of the proxy.
func startUpgradable(t testing.TB, flags ...string) *upgradable {
	t.Helper()
	path := filepath.Join(shortDir(t), "streamq-proxy")
	copyProgram(t, path)
	binary := os.Getenv(binaryVariable)
	must(t, os.Setenv(binaryVariable, path))
	defer func() { must(t, os.Setenv(binaryVariable, binary)) }()
	return &upgradable{startOperated(t, flags...), path}
}

// copyProgram puts the proxy's program at a path, in the place of what is there.
func copyProgram(t testing.TB, path string) {
	t.Helper()
	from, err := os.Open(os.Getenv(binaryVariable))
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	must(t, os.Rename(path+".new", path))
}

// replace puts another program in the place of the proxy's.
func (p *upgradable) replace(t testing.TB, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(p.path+".new", []byte(text), mode))
	must(t, os.Rename(p.path+".new", p.path))
}

// pid is the process that serves.
func (p *proxy) pid() int {
	pid := p.command.Process.Pid
	for _, line := range p.records("handed over") {
		pid = line.Process
	}
	return pid
}

// record is a line of the log.
type record struct {
	Msg, Error string
	Endpoint   string
	Process    int
	Took       time.Duration `json:"took"`
	LoopsStood time.Duration `json:"loops-stood"`
	PairsStood time.Duration `json:"pairs-stood"`
}

// records are the lines of the log that say so.
func (p *proxy) records(msg string) (all []record) {
	for line := range strings.Lines(p.said()) {
		var r record
		if json.Unmarshal([]byte(line), &r) == nil && r.Msg == msg {
			all = append(all, r)
		}
	}
	return all
}

// upgrade has the proxy hand over to another process, and returns when it has.
func (p *proxy) upgrade(t testing.TB) record {
	t.Helper()
	before := len(p.records("handed over"))
	must(t, syscall.Kill(p.pid(), syscall.SIGUSR2))
	eventually(t, "the proxy has handed over", func() bool { return len(p.records("handed over")) > before })
	all := p.records("handed over")
	return all[len(all)-1]
}

// failToUpgrade has the proxy try to, and returns why it could not.
func (p *proxy) failToUpgrade(t testing.TB) string {
	t.Helper()
	const said = "not upgraded, nothing has changed"
	before := len(p.records(said))
	must(t, syscall.Kill(p.pid(), syscall.SIGUSR2))
	eventually(t, "the proxy says why it goes on", func() bool { return len(p.records(said)) > before })
	all := p.records(said)
	return all[len(all)-1].Error
}

// killedAt is a program that begins to take over, and is killed at a step.
func killedAt(t testing.TB, step string) string {
	t.Helper()
	text, err := os.ReadFile("peers/py/successor.py")
	must(t, err)
	return strings.Replace(string(text), `STEP = "hello"`, fmt.Sprintf("STEP = %q", step), 1)
}
