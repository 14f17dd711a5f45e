package seam

import (
	"testing"

	"github.com/pebbe/zmq4"
)

// TestCheck fails where libzmq does not use this package's functions: linked to
// others, or built to prefer its own.
func TestCheck(t *testing.T) {
	ctx, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, ctx.Term()) }()
	before := counted()
	must(t, Check(ctx))
	t.Logf("%+v", counted().since(before))
}
