//go:build linux && cgo

package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"time"
)

func main() {
	var stdout io.Writer = os.Stdout
	if stdoutClosed() {
		stdout = closedStdout{}
	}
	if err := run(context.Background(), os.Args[1:], stdout, os.Stderr); err != nil {
		complain(os.Stderr, "streamq-proxy: "+escape(err.Error(), "\n\t")+"\n")
		os.Exit(exitCode(err))
	}
}

// pipeful is what an empty pipe takes whether it is read or not (pipe(7)).
const pipeful = 64 << 10

// complain writes the last words. A proxy that failed must end even when its
// stderr is a full pipe, so few words have a moment only; many, of a file with
// many mistakes, wait until a person has read them.
func complain(stderr io.Writer, text string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.WriteString(stderr, text) // there is nowhere to say that it failed
	}()
	var late <-chan time.Time
	if len(text) < pipeful {
		late = time.After(logFlushTimeout)
	}
	select {
	case <-said:
	case <-late:
	}
}

// run is the whole program. The error is what a person has to read: one line,
// or, of a mistake in a file, one line and the place.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	// What the process may use (cpuset(7) and cgroups(7) are heeded), or what the
	// environment's GOMAXPROCS says; read before tuneRuntime changes it.
	cpus := runtime.GOMAXPROCS(0)
	out := &output{to: stdout}
	cmd := newRootCommand(cpus, out)
	cmd.SetArgs(args)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		return err
	}
	return out.failed
}
