package demo

import (
	"fmt"

	"github.com/pebbe/zmq4"
)

// keys are a CURVE key pair in Z85.
type keys struct{ public, secret string }

func newKeys() (keys, error) {
	public, secret, err := zmq4.NewCurveKeypair()
	if err != nil {
		return keys{}, fmt.Errorf("CURVE keys: %w (was libzmq built with CURVE?)", err)
	}
	return keys{public, secret}, nil
}
