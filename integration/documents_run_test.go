package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A machine of its own as far as a document can tell: nothing else is at its ports, in its /tmp and in its /run. What
// serves is put behind the others, and has to end well.
const alone = `
	ip link set lo up
	mount -t proc proc /proc
	mount -t tmpfs tmpfs /run
	mkdir /run/bin
	touch /run/bin/streamq-proxy
	mount --bind "$0" /run/bin/streamq-proxy
	mkdir -m 0700 /run/streamq-proxy
	mount -t tmpfs tmpfs /tmp
	cd /tmp
	export PATH="/run/bin:$PATH" GORACE=atexit_sleep_ms=0
	served=
	serves() {
		served="$served $!"
		until (: </dev/tcp/127.0.0.1/9555) 2>/dev/null; do kill -0 $!; sleep 0.02; done
	}
`

// runAlone has bash run lines on such a machine.
func runAlone(t *testing.T, lines string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give the lines a machine of their own: run it as root")
	}
	for _, command := range []string{"unshare", "mount", "ip", "bash"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("%s(1) is missing, with which the lines have a machine of their own", command)
		}
	}
	said, err := exec.Command("unshare", "-m", "-n", "-p", "-f", "--kill-child", "bash", "-euc", alone+lines, os.Getenv(binaryVariable)).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nsaid\n%s", err, lines, said)
	}
}

// runShell runs lines of a shell as they are written, in the order in which they are. Three dots are endpoints, and HOST is this one.
func runShell(t *testing.T, f fenced) {
	script, proxies := "", 0
	for line := range strings.Lines(strings.NewReplacer(" ... ", " --frontend tcp://127.0.0.1:5555 --backend tcp://127.0.0.1:5556 ", "HOST", "127.0.0.1").Replace(f.body)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "streamq-proxy run ") {
			line += " &\nserves"
			proxies++
		}
		script += line + "\n"
	}
	runAlone(t, script+"for p in $served; do kill $p; wait $p; done\n")
	if proxies > 1 {
		t.Errorf("%d proxies have one port for HTTP", proxies)
	}
}

// runCheck has the program check a configuration.
func runCheck(t *testing.T, f fenced) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.WriteFile(file, []byte(f.body), 0o600))
	if said, err := exec.Command(os.Getenv(binaryVariable), "check", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// runPython runs lines about a socket s.
func runPython(t *testing.T, f fenced) {
	code := "import zmq\ns = zmq.Context().socket(zmq.DEALER)\n" + f.body
	if said, err := exec.Command("/usr/bin/python3", "-c", code).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// runCompiler compiles lines of a function that has a context ctx and an address local.
func runCompiler(t *testing.T, f fenced) {
	imports, body, _ := strings.Cut(f.body, "\n\n")
	code := "package main\n\nimport \"context\"\n" + imports + "\n\nfunc main() {\n\tvar ctx context.Context\n\tvar local string\n" +
		strings.ReplaceAll(body, "{ ... }", "{ _, _ = p, err }")
	for _, m := range regexp.MustCompile(`(?m)^(\w+)(?:, (\w+))? :?= `).FindAllStringSubmatch(body, -1) {
		for _, name := range m[1:] {
			if name != "" {
				code += "\t_ = " + name + "\n"
			}
		}
	}
	file := filepath.Join(t.TempDir(), "main.go")
	must(t, os.WriteFile(file, []byte(code+"\t_ = local\n}\n"), 0o600))
	build := exec.Command("go", "build", "-race", "-o", os.DevNull, file) // with what this module requires
	if said, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, said, code)
	}
}

// runHAProxy has HAProxy check a section, or settings of one.
func runHAProxy(t *testing.T, f fenced) {
	path, env := findHAProxy(t)
	config := "defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1m\n    timeout server 1m\n" + f.body
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	must(t, os.WriteFile(file, []byte(config+"listen other\n    bind 127.0.0.1:5555\n"), 0o600))
	check := exec.Command(path, "-c", "-q", "-f", file)
	check.Env = append(check.Environ(), env...)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}

// runNginx has nginx check the settings of a server of its module stream.
func runNginx(t *testing.T, f fenced) {
	path, module, env := findNginx(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "load_module %s;\npid %s/pid;\nevents {}\nstream { server {\nlisten 127.0.0.1:5555;\nproxy_pass 127.0.0.1:5556;\n%s} }\n",
		module, dir, f.body), 0o600))
	check := exec.Command(path, "-t", "-q", "-p", dir, "-e", "stderr", "-c", file)
	check.Env = append(check.Environ(), env...)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}

// shape is a line with its figures and addresses taken out, and its columns one blank apart.
func shape(line string) string {
	words := strings.Fields(line)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "N"
		}
	}
	return strings.Join(words, " ")
}

// runTranscript has a proxy, at which a stranger has failed, answer what is asked in a transcript, in the shapes that it
// shows: it has every line up to a table's head, and no other rows than are shown.
func runTranscript(t *testing.T, f fenced) {
	control := "ipc://" + filepath.Join(shortDir(t), "control")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "old=tcp://127.0.0.1:1", "--worker", "new=tcp://127.0.0.1:1", "--control", control)
	ask := func(line string) []byte {
		words := strings.Fields(line)
		if slices.Contains(words, "watch") {
			words = append(words, "--count", "1")
		}
		command := exec.Command(os.Getenv(binaryVariable), words...)
		command.Env = append(command.Environ(), "STREAMQ_CONTROL="+control)
		said, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", line, err, said)
		}
		return said
	}
	stranger, err := net.Dial("tcp", strings.TrimPrefix(p.frontend[0], "tcp://"))
	must(t, err)
	defer stranger.Close()
	_, err = stranger.Write([]byte("no ZMTP\n"))
	must(t, err)
	eventually(t, "the stranger has failed", func() bool { return bytes.Contains(ask("ctl failing"), []byte("not-zmtp")) })
	for _, part := range strings.Split("\n"+f.body, "\n$ streamq-proxy ")[1:] {
		line, shown, _ := strings.Cut(part, "\n")
		if err := sameShape(shown, string(ask(line))); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// sameShape says where what is shown differs from what is said. Nothing shown is like anything.
func sameShape(shown, said string) error {
	if strings.TrimSpace(shown) == "" {
		return nil
	}
	var of [2][]string
	for i, text := range []string{shown, said} {
		for line := range strings.Lines(text) {
			of[i] = append(of[i], shape(line))
		}
	}
	head := slices.IndexFunc(of[0], func(s string) bool { return s != "" && s == strings.ToUpper(s) && !strings.Contains(s, "N ") })
	var all []error
	for i, line := range of[0] {
		if i <= head && !slices.Contains(of[1], line) {
			all = append(all, fmt.Errorf("%q is shown and not said in\n%s", line, said))
		}
	}
	for _, line := range of[1] {
		if !slices.Contains(of[0], line) {
			all = append(all, fmt.Errorf("%q is said and not shown in\n%s", line, shown))
		}
	}
	return errors.Join(all...)
}

// TestSameShape has a transcript that has changed be noticed.
func TestSameShape(t *testing.T) {
	const shown = "rate  10\n\nNAME  PAIRS\nold   200\nnew   0\n"
	for said, same := range map[string]bool{
		"rate 3\n\nNAME PAIRS\nold 7\n":             true,
		"rate 3\n\nNAME CLIENTS\nold 7\n":           false,
		"rate 3\n\nNAME PAIRS\nother 7\n":           false,
		"NAME PAIRS\nold 7\n":                       false,
		"rate 3\nworker -\n\nNAME PAIRS\nold 200\n": false,
	} {
		if err := sameShape(shown, said); (err == nil) != same {
			t.Errorf("%q: %v", said, err)
		}
	}
}
