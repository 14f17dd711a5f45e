package freeport

import (
	"net"
	"strconv"
	"testing"
)

// Ports differ, are below those that the kernel gives away, and can be listened at.
func TestNext(t *testing.T) {
	seen := map[int]bool{}
	for i := range 100 {
		together := 1 + i%3
		port, err := Next(together)
		if err != nil {
			t.Fatal(err)
		}
		for n := port; n < port+together; n++ {
			if seen[n] || n < lowest || n >= ephemeral() {
				t.Errorf("%d", n)
			}
			seen[n] = true
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n))
			if err != nil {
				t.Fatal(err)
			}
			_ = l.Close()
		}
	}
}

// A port is not free when somebody listens there on one address.
func TestNotFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free(l.Addr().(*net.TCPAddr).Port, 1) {
		t.Errorf("%v is free", l.Addr())
	}
}
