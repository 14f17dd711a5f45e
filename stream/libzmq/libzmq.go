package libzmq

// #cgo pkg-config: libzmq
// #include <stdlib.h>
// #include <zmq.h>
// #include "version.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// Version is that of the libzmq that is loaded, such as 4.3.4. zmq4.Version says
// what it was compiled with instead.
func Version() string {
	var major, minor, patch C.int
	C.libzmq_version(&major, &minor, &patch)
	return fmt.Sprintf("%d.%d.%d", major, minor, patch)
}

// ErrNoCurve is wrapped where CURVE is needed and the libzmq that is loaded was built
// without it, as a plain `cmake .` or `./configure` of 4.3.5 does.
var ErrNoCurve = errors.New("was built without CURVE")

// HasCurve is zmq_has(3) of "curve". zmq4.HasCurve says no, too, where pebbe/zmq4 does
// not like the version.
func HasCurve() bool {
	curve := C.CString("curve")
	defer C.free(unsafe.Pointer(curve))
	return C.zmq_has(curve) != 0
}

// NeedCurve is nil where libzmq has CURVE; else it wraps [ErrNoCurve].
func NeedCurve() error {
	if HasCurve() {
		return nil
	}
	return fmt.Errorf("libzmq %s %w", Version(), ErrNoCurve)
}

// NewKeypair makes a CURVE key pair, each key 40 characters of Z85 (32/Z85). The
// error is one line and wraps [ErrNoCurve] where that is the reason.
func NewKeypair() (public, secret string, err error) {
	if err := NeedCurve(); err != nil {
		return "", "", fmt.Errorf("no CURVE keys: %w", err)
	}
	if public, secret, err = zmq4.NewCurveKeypair(); err != nil {
		return "", "", fmt.Errorf("libzmq %s makes no CURVE keys: %w", Version(), err)
	}
	return public, secret, nil
}
