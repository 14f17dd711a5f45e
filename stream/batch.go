package stream

// #cgo pkg-config: libzmq
// #include "batch.h"
// #include <zmq.h>
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// The binding takes a call into C for each frame, and two allocations for each
// message. That is most of what relaying one costs. So messages are received
// many at a time, and sent both frames at once, by C functions of our own; for
// everything else the binding is there.

const (
	// receiveBatch is how many messages one socket may bring in one turn, so that
	// the other socket, the dialled workers and the timers have theirs.
	receiveBatch = C.BATCH_MESSAGES
	// readChunk is the most that libzmq hands over at once from a STREAM peer.
	readChunk = C.BATCH_BODY
)

// batch is what was received at once, valid until the next time.
type batch struct {
	c     C.batch
	bytes [C.BATCH_BYTES]byte
}

// run is what one peer of a batch said without anything between.
type run struct {
	peer     uint32
	messages int    // that data came in
	data     []byte // empty: a notice
	more     bool   // the last read was a whole one, so the kernel has more
	raw      *C.batch_run
}

func (b *batch) runs() int { return int(b.c.runs) }

func (b *batch) run(i int) run {
	raw := &b.c.run[i]
	return run{
		peer: uint32(raw.peer), messages: int(raw.messages),
		data: b.bytes[raw.offset : raw.offset+raw.length : raw.offset+raw.length],
		more: raw.last == readChunk,
		raw:  raw,
	}
}

// birth is what libzmq says of the peer in a notice.
func (r *run) birth() birth {
	return birth{fd: int(r.raw.fd), address: C.GoString(&r.raw.address[0])}
}

// receive takes up to most messages without waiting. empty: there were no more.
func (b *batch) receive(socket unsafe.Pointer, most int) (messages int, empty bool, err error) {
	code := C.batch_receive(socket, &b.c, (*C.uchar)(&b.bytes[0]), C.int(most))
	if code != 0 {
		err = fmt.Errorf("receiving from a STREAM socket: %w", zmq4.Errno(code))
	}
	return int(b.c.messages), b.c.empty != 0, err
}

// sendMessage sends a message to a peer without waiting, an empty one to close it.
func sendMessage(socket unsafe.Pointer, peer uint32, data []byte) sent {
	switch C.batch_send(socket, C.uint32_t(peer), (*C.uchar)(unsafe.SliceData(data)), C.size_t(len(data))) {
	case C.BATCH_TAKEN:
		return taken
	case C.BATCH_FULL:
		return full
	case C.BATCH_GONE:
		return gone
	}
	panic("stream: a body was refused after its routing id was taken")
}

// events has libzmq work off its commands and says what the socket is ready for.
func events(socket unsafe.Pointer) (zmq4.State, error) {
	state := C.batch_events(socket)
	if state < 0 {
		return 0, fmt.Errorf("asking a STREAM socket for events: %w", zmq4.Errno(-state))
	}
	return zmq4.State(state), nil
}

// handleOf is libzmq's own handle of a socket, valid until that is closed. The
// binding keeps it in a field that it does not export and gives it to nobody, so
// it is read by its name; a binding that has renamed or replaced the field, or
// gives another socket's, is found here, before anything is served.
func handleOf(z *zmq4.Socket) (unsafe.Pointer, error) {
	field := reflect.ValueOf(z).Elem().FieldByName("soc")
	if !field.IsValid() || field.Kind() != reflect.UnsafePointer || field.IsNil() {
		return nil, errors.New("this build's zmq4 binding does not keep libzmq's socket where version 1.4.0 does")
	}
	handle := field.UnsafePointer()
	want, err := z.GetFd()
	if err != nil {
		return nil, err
	}
	var fd C.int
	size := C.size_t(unsafe.Sizeof(fd))
	if n, err := C.zmq_getsockopt(handle, C.ZMQ_FD, unsafe.Pointer(&fd), &size); n != 0 {
		return nil, fmt.Errorf("the zmq4 binding's socket is not libzmq's: %w", err)
	}
	if int(fd) != want {
		return nil, fmt.Errorf("the zmq4 binding's socket is another one of libzmq's: descriptor %d, not %d", fd, want)
	}
	return handle, nil
}
