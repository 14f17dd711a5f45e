package sockdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel's inet_diag.h and tcp_states.h have.
const (
	byFamily    = 20
	requestSize = unix.SizeofNlMsghdr + 56
	messageSize = 72

	// Within what follows the header: of the request the two ends' ports and addresses, and the
	// cookie; of the answer the state, the other end's port and address, and the inode.
	localPort    = 8
	remotePort   = 10
	localAddress = 12
	cookie       = 48
	state        = 1
	toPort       = 6
	toAddress    = 24
	inode        = 68

	listening = 10
	// connected are all states of a connection that has a port of ours, TIME_WAIT included; neither
	// closed ones nor listeners.
	connected = 1<<1 | 1<<2 | 1<<4 | 1<<5 | 1<<6 | 1<<8 | 1<<9 | 1<<11
)

// timeout is for an answer of the kernel's, which comes at once.
const timeout = time.Second

// kernel is a netlink socket to ask by.
type kernel int

func dial() (kernel, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		_ = unix.Close(fd)
		return 0, os.NewSyscallError("setsockopt", err)
	}
	return kernel(fd), nil
}

func (k kernel) close() { _ = unix.Close(int(k)) }

func (k kernel) ask(request []byte) error {
	return os.NewSyscallError("sendto", unix.Sendto(int(k), request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

func (k kernel) answer(into []byte) ([]byte, error) {
	for {
		n, _, err := unix.Recvfrom(int(k), into, 0)
		if !errors.Is(err, unix.EINTR) {
			return into[:max(n, 0)], os.NewSyscallError("recvfrom", err)
		}
	}
}

// request asks for TCP sockets of a family in any of the states; what else it is to say goes into body.
func request(family uint8, flags uint16, states uint32) (all, body []byte) {
	all = make([]byte, requestSize)
	binary.NativeEndian.PutUint32(all, requestSize)
	binary.NativeEndian.PutUint16(all[4:], byFamily)
	binary.NativeEndian.PutUint16(all[6:], unix.NLM_F_REQUEST|flags)
	body = all[unix.SizeofNlMsghdr:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], states)
	return all, body
}

// refusal is the error that a message of NLMSG_ERROR has.
func refusal(body []byte) error {
	if len(body) < 4 {
		return errors.New("sock_diag: refused")
	}
	return os.NewSyscallError("sock_diag", unix.Errno(-int32(binary.NativeEndian.Uint32(body))))
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
