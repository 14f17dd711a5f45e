//go:build libzmq_static

package seam

// #cgo CFLAGS: -DLIBZMQ_STATIC
import "C"
