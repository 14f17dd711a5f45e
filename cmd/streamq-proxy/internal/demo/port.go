package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"

	"github.com/pebbe/zmq4"
)

// portRange is where the kernel says which ports connections get that ask for none.
const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

// listen calls bind with ports until one is free, and so is the next one if bind
// wants that, too. They are below those that connections get: a client that goes on
// dialling such a port when the demo is over could meet itself there, and keep it.
// Should there be none, bind gets 0.
func listen(bind func(port int) error) error {
	first := firstOfConnections()
	for range 100 {
		if first < 4096 { // what is left is others'
			break
		}
		err := bind(first/2 + rand.IntN(first/2-1))
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, zmq4.Errno(syscall.EADDRINUSE)) {
			return err
		}
	}
	return bind(0)
}

// firstOfConnections is the lowest port that connections get, 0 if it is not known.
func firstOfConnections() int {
	text, err := os.ReadFile(portRange)
	if err != nil {
		return 0
	}
	var first int
	_, _ = fmt.Sscan(string(text), &first)
	return first
}
