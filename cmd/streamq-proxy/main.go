package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
)

func main() {
	saveMemory()
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		complain(os.Stderr, "streamq-proxy: "+err.Error()+"\n")
		os.Exit(exitCode(err))
	}
}

// saveMemory has garbage collected when it is a quarter of what lives, unless the
// environment says otherwise (GOGC). What lives is some two kilobytes a pair, for
// as long as the pair; moving bytes allocates nothing, so it is paid for only when
// connections come and go.
func saveMemory() {
	const percent = 25
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// makeRoom has Go's runtime run so many threads beside as many as there are CPUs,
// unless the environment says otherwise (GOMAXPROCS). The relay's threads mostly wait
// in the kernel. With no more than one slot for each CPU they would hold them all, and
// the runtime would look every 20 microseconds whether to take one away (a quarter of
// a CPU), and have a thread wait for a slot when its bytes are there. Which threads
// run is the kernel's to decide.
func makeRoom(threads int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(config.CPUs + threads)
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
	cmd := newRootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd.ExecuteContext(ctx)
}
