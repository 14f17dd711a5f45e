package demo

import "github.com/streamq/streamq-proxy/stream/libzmq"

// keys are a CURVE key pair in Z85.
type keys struct{ public, secret string }

func newKeys() (keys, error) {
	public, secret, err := libzmq.NewKeypair()
	return keys{public, secret}, err
}
