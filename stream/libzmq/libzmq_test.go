package libzmq

import (
	"errors"
	"regexp"
	"testing"

	"github.com/pebbe/zmq4"
)

// TestScripts/libzmq of the program has what an unknown libzmq makes of it.
func TestLoaded(t *testing.T) {
	if v := Version(); !regexp.MustCompile(`^4\.\d+\.\d+$`).MatchString(v) {
		t.Errorf("the version is %q", v)
	}
	zctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	defer zctx.Term()
	public, secret, err := NewKeypair()
	if HasCurve() && (err != nil || len(public) != 40 || len(secret) != 40) || !HasCurve() && !errors.Is(err, ErrNoCurve) {
		t.Errorf("curve %v: %q, %q, %v", HasCurve(), public, secret, err)
	}
}
