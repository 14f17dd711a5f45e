package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
)

// lowest leaves out the ports that services, and the documents' examples, have.
const lowest = 11_000

var (
	mu    sync.Mutex
	taken = map[int]bool{} // by this process
)

// Next is a port at which nobody listens, on any address of this machine, and which it has not returned before. Ports next
// to each other begin at it when more than one is asked for.
func Next(together int) (int, error) {
	mu.Lock()
	defer mu.Unlock()
	end := ephemeral()
	if end-together <= lowest {
		return 0, fmt.Errorf("no port from %d on is outside those that the kernel gives away", lowest)
	}
	for range 1000 {
		if port := lowest + rand.IntN(end-together-lowest); free(port, together) {
			for i := range together {
				taken[port+i] = true
			}
			return port, nil
		}
	}
	return 0, errors.New("no port is free")
}

// free also looks whether somebody listens at one of the addresses only.
func free(port, together int) bool {
	for n := port; n < port+together; n++ {
		if taken[n] {
			return false
		}
		l, err := net.Listen("tcp", ":"+strconv.Itoa(n))
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
}

// ephemeral is the first port that the kernel gives away by itself, by ip(7).
func ephemeral() int {
	first := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &first) // what is no number leaves the default
	}
	return first
}
