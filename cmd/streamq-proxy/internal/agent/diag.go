package agent

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// What the kernel's inet_diag.h and tcp_states.h have of a request and its answer (sock_diag(7)).
const (
	sockDiagByFamily = 20
	diagRequestSize  = unix.SizeofNlMsghdr + 56
	diagPort         = 8 // in the request: of the listener; its address follows behind the other end's port
	diagAddress      = 12
	diagCookie       = 48
	diagAnswerSize   = 72
	diagState        = 1 // in the answer
	diagInode        = 68
	stateListen      = 10
)

// diagTimeout is for an answer of the kernel's, which comes at once.
const diagTimeout = time.Second

// askKernel is the inode of the socket that a connection to an address would meet, 0 for none; of several with
// SO_REUSEPORT always the same one, as long as they are the same. It asks for that one: the
// tables of proc_net_tcp end only behind all connections of all network namespaces, which, five
// times a second, was a third of what an agent cost.
func askKernel(at netip.AddrPort) (inode uint64, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer sockets.Close(fd)
	limit := unix.NsecToTimeval(diagTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, diagRequest(at), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	return diagInodeOf(answer[:n])
}

func diagRequest(at netip.AddrPort) []byte {
	request := make([]byte, diagRequestSize)
	binary.NativeEndian.PutUint32(request, diagRequestSize)
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST)
	body := request[unix.SizeofNlMsghdr:]
	body[0], body[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if at.Addr().Is4() {
		body[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(body[4:], 1<<stateListen)
	binary.BigEndian.PutUint16(body[diagPort:], at.Port())
	copy(body[diagAddress:], at.Addr().AsSlice())
	for i := diagCookie; i < len(body); i++ { // whatever its cookie
		body[i] = 0xFF
	}
	return request
}

// diagInodeOf reads the answer. That there is no such socket is ENOENT there, and 0 here.
func diagInodeOf(answer []byte) (uint64, error) {
	if len(answer) < unix.SizeofNlMsghdr {
		return 0, errors.New("sock_diag: a short answer")
	}
	body := answer[unix.SizeofNlMsghdr:]
	switch kind := binary.NativeEndian.Uint16(answer[4:]); {
	case kind == unix.NLMSG_ERROR && len(body) >= 4:
		if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(body))); errno != unix.ENOENT {
			return 0, os.NewSyscallError("sock_diag", errno)
		}
		return 0, nil
	case kind == sockDiagByFamily && len(body) >= diagAnswerSize:
		if body[diagState] != stateListen {
			return 0, nil
		}
		return uint64(binary.NativeEndian.Uint32(body[diagInode:])), nil
	}
	return 0, errors.New("sock_diag: an answer of another kind")
}
