package config

import "fmt"

// hello is of whom HELLO is required: true or clients, workers (those that dial in),
// both, or false.
type hello struct{ clients, workers bool }

// parseHello reads the words of require-hello.
func parseHello(s string) (hello, error) {
	switch s {
	case "true", "clients":
		return hello{clients: true}, nil
	case "workers":
		return hello{workers: true}, nil
	case "both":
		return hello{true, true}, nil
	case "", "false":
		return hello{}, nil
	}
	return hello{}, fmt.Errorf("want true (clients), workers, both or false, not %q", s)
}
