//go:build libzmq_static

package libzmq

// #cgo CFLAGS: -DLIBZMQ_STATIC
import "C"
