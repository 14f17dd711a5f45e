package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxText and maxBlob bound a message, in bytes.
	maxText = 1 << 30
	maxBlob = 1 << 30
	// maxDescriptors of a message, and rights of one sendmsg(2) (unix(7): SCM_MAX_FD is 253).
	maxDescriptors = 1 << 20
	rights         = 250
	// wholeTime is for the rest of a message that has begun.
	wholeTime = 10 * time.Second
)

// ErrFormat says that what came is no message.
var ErrFormat = errors.New("not a message of a hand-over")

// Message is one message.
type Message struct {
	Kind string
	Text json.RawMessage
	// Blob is bytes beside the text.
	Blob []byte
	// Descriptors are the receiver's to close.
	Descriptors []int
}

// Channel is one end of the socket. It is for one goroutine at a time.
type Channel struct{ socket *net.UnixConn }

// Pair makes a socket: one end, and a file to be given to the successor.
func Pair() (*Channel, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "handover")
	c, err := Of(os.NewFile(uintptr(fds[0]), "handover"))
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return c, theirs, nil
}

// Of is the end that a file is, which is closed.
func Of(f *os.File) (*Channel, error) {
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("the hand-over's socket: %w", err)
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("the hand-over's socket: %w", ErrFormat)
	}
	return &Channel{socket}, nil
}

// Close ends the channel. What was sent stays readable.
func (c *Channel) Close() { _ = c.socket.Close() }

// Until is when Send and Receive give up, with [os.ErrDeadlineExceeded]; the zero time for never.
func (c *Channel) Until(t time.Time) { _ = c.socket.SetDeadline(t) }

// Send says something. Descriptors stay open here.
func (c *Channel) Send(kind string, body any, blob []byte, descriptors []int) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if len(text) > maxText || len(blob) > maxBlob || len(descriptors) > maxDescriptors {
		return fmt.Errorf("%s: %w: too large", kind, ErrFormat)
	}
	head := make([]byte, 0, 16+len(kind))
	head = append(head, byte(len(kind)))
	head = append(head, kind...)
	for _, n := range []int{len(text), len(blob), len(descriptors)} {
		head = binary.BigEndian.AppendUint32(head, uint32(n))
	}
	buffers := net.Buffers{head, text, blob}
	if _, err := buffers.WriteTo(c.socket); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	for len(descriptors) > 0 {
		n := min(len(descriptors), rights)
		if err := c.sendRights(descriptors[:n]); err != nil {
			return fmt.Errorf("%s: descriptors: %w", kind, err)
		}
		descriptors = descriptors[n:]
	}
	return nil
}

// sendRights waits while too many descriptors are on their way (unix(7), ETOOMANYREFS).
func (c *Channel) sendRights(descriptors []int) error {
	control := unix.UnixRights(descriptors...)
	for {
		_, _, err := c.socket.WriteMsgUnix([]byte{0}, control, nil)
		if !errors.Is(err, unix.ETOOMANYREFS) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// Receive waits for a message. [io.EOF] says that the other side is no more, and that
// everything it has sent was read.
func (c *Channel) Receive() (m Message, err error) {
	length := make([]byte, 1)
	if _, err := io.ReadFull(c.socket, length); err != nil {
		return m, reset(err)
	}
	head := make([]byte, int(length[0])+12)
	if _, err := io.ReadFull(c.socket, head); err != nil {
		return m, reset(err)
	}
	m.Kind, head = string(head[:length[0]]), head[length[0]:]
	text, blob, descriptors := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if text > maxText || blob > maxBlob || descriptors > maxDescriptors {
		return m, ErrFormat
	}
	m.Text, m.Blob = make([]byte, text), make([]byte, blob)
	for _, part := range [][]byte{m.Text, m.Blob} {
		if _, err := io.ReadFull(c.socket, part); err != nil {
			return m, reset(err)
		}
	}
	if err := c.receiveRights(&m, int(descriptors)); err != nil {
		m.Close()
		return m, reset(err)
	}
	return m, nil
}

// reset has an end in the middle of a message, or with something unread, be an end.
func reset(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) {
		return io.EOF
	}
	return err
}

func (c *Channel) receiveRights(m *Message, want int) error {
	one, space := make([]byte, 1), make([]byte, unix.CmsgSpace(4*rights))
	for len(m.Descriptors) < want {
		// Go's net sets MSG_CMSG_CLOEXEC.
		n, size, flags, _, err := c.socket.ReadMsgUnix(one, space)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return err
		}
		control, err := unix.ParseSocketControlMessage(space[:size])
		if err != nil {
			return err
		}
		for i := range control {
			got, err := unix.ParseUnixRights(&control[i])
			if err != nil {
				return err
			}
			m.Descriptors = append(m.Descriptors, got...)
		}
		if flags&unix.MSG_CTRUNC != 0 || len(control) == 0 { // for want of descriptors: the kernel has dropped some
			return fmt.Errorf("%d of %d descriptors came: %w", len(m.Descriptors), want, unix.EMFILE)
		}
	}
	return nil
}

// Close closes what came with the message.
func (m *Message) Close() {
	for _, fd := range m.Descriptors {
		_ = unix.Close(fd)
	}
	m.Descriptors = nil
}

// Read takes the text apart.
func (m *Message) Read(into any) error {
	if err := json.Unmarshal(m.Text, into); err != nil {
		return fmt.Errorf("%s: %w: %w", m.Kind, ErrFormat, err)
	}
	return nil
}

// Expect waits for a message of a kind. What comes in its place is an error; a
// [Failed] is the other side's own.
func (c *Channel) Expect(kind string) (Message, error) {
	m, err := c.Receive()
	if err != nil {
		return m, err
	}
	if m.Kind == kind {
		return m, nil
	}
	defer m.Close()
	if m.Kind != Failed {
		return m, fmt.Errorf("%w: %q in place of %q", ErrFormat, m.Kind, kind)
	}
	var why string
	if err := m.Read(&why); err != nil {
		return m, err
	}
	return m, errors.New(why)
}

// Conclude is Expect for an answer by which both sides know who has something: when it has not come in time (see
// [Channel.Until]) it cannot come any more, since a Send of the other side fails from then on, and one that came at that
// very moment counts (unix(7) sockets keep what was written before shutdown(2)). When it has not come nothing else does.
func (c *Channel) Conclude(kind string) (Message, error) {
	late := c.wait()
	if late != nil {
		if err := c.socket.CloseRead(); err != nil {
			return Message{}, fmt.Errorf("%s: %w", kind, err)
		}
	}
	c.Until(time.Now().Add(wholeTime))
	m, err := c.Expect(kind)
	if late != nil && errors.Is(err, io.EOF) {
		err = late
	}
	return m, err
}

// wait returns when there is something to read, or an end, or it is too late.
func (c *Channel) wait() error {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}
