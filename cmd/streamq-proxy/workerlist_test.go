package main

import (
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
)

func TestWorkerListIsShort(t *testing.T) {
	workers := make([]pairing.WorkerConfig, 20_000)
	if got := workerList(workers); len(got) > 1000 || !strings.HasSuffix(got, " and 19980 more") {
		t.Errorf("%d bytes: ...%q", len(got), got[max(0, len(got)-40):])
	}
	if got := workerList([]pairing.WorkerConfig{{Name: "a", Endpoint: "tcp://h:1"}}); got != "a=tcp://h:1" {
		t.Errorf("got %q", got)
	}
}
