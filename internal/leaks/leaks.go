package leaks

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is for goroutines that are about to end; one that is left is there for ever.
const patience = 20 * time.Second

// Left waits until no goroutine is left but those that the options ignore, and is an error that shows the others.
func Left(options ...goleak.Option) (err error) {
	for end := time.Now().Add(patience); ; {
		if err = goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Main runs the tests of a package, and fails when goroutines are left after all of them. It does not return.
func Main(m interface{ Run() int }, options ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := Left(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
