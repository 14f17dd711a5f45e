package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// ErrEndpoint is wrapped by the error of [Dial] when nobody can connect to what it was
// given.
var ErrEndpoint = errors.New("bad endpoint")

// usable says why no connection to an endpoint can ever be made, as far as libzmq
// would try in silence.
func usable(endpoint string) error {
	network, address, _ := strings.Cut(endpoint, "://")
	switch network {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if n, no := strconv.ParseUint(port, 10, 16); err != nil || no != nil || n == 0 || host == "" || host == "*" {
			return fmt.Errorf("%w %q: want tcp://HOST:PORT to connect to", ErrEndpoint, endpoint)
		}
		return nil
	case "ipc":
		return accessible(endpoint, address)
	}
	return fmt.Errorf("%w %q: want tcp://HOST:PORT or ipc://PATH", ErrEndpoint, endpoint)
}

// accessible is an [fs.ErrPermission] for a socket's file that the caller may not use.
func accessible(endpoint, path string) error {
	switch {
	case path == "" || path == "@":
		return fmt.Errorf("%w %q: want ipc:///path/of/socket or ipc://@name", ErrEndpoint, endpoint)
	case path[0] == '@': // has no file
		return nil
	}
	const write = 2 // W_OK: what connect(2) wants of the file, see unix(7)
	if err := syscall.Access(path, write); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w", endpoint, err)
	}
	return nil
}
