package leaks

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestLeft: a goroutine that ends a while later is not left.
func TestLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	end := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(end) })
	go func() { <-end }()
	if err := goleak.Find(before); err == nil {
		t.Error("goleak alone does not see it")
	}
	if err := Left(before); err != nil {
		t.Error(err)
	}
}
