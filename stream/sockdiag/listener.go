package sockdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Listener is the inode of the socket that a connection to an address would meet, 0 for none; of
// several with SO_REUSEPORT always the same one, as long as they are the same. A kernel that
// cannot be asked gives an error, or says of every socket that there is none.
func Listener(at netip.AddrPort) (inode uint64, err error) {
	k, err := dial()
	if err != nil {
		return 0, err
	}
	defer k.close()
	if err := k.ask(listenerRequest(at)); err != nil {
		return 0, err
	}
	answer, err := k.answer(make([]byte, 4<<10))
	if err != nil {
		return 0, err
	}
	return inodeOf(answer)
}

func listenerRequest(at netip.AddrPort) []byte {
	all, body := request(familyOf(at.Addr()), 0, 1<<listening)
	binary.BigEndian.PutUint16(body[localPort:], at.Port())
	copy(body[localAddress:], at.Addr().AsSlice())
	for i := cookie; i < len(body); i++ { // whatever its cookie
		body[i] = 0xFF
	}
	return all
}

// inodeOf reads the answer. That there is no such socket is ENOENT there, and 0 here.
func inodeOf(answer []byte) (uint64, error) {
	if len(answer) < unix.SizeofNlMsghdr {
		return 0, errors.New("sock_diag: a short answer")
	}
	body := answer[unix.SizeofNlMsghdr:]
	switch kind := binary.NativeEndian.Uint16(answer[4:]); {
	case kind == unix.NLMSG_ERROR:
		if err := refusal(body); !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
		return 0, nil
	case kind == byFamily && len(body) >= messageSize:
		if body[state] != listening {
			return 0, nil
		}
		return uint64(binary.NativeEndian.Uint32(body[inode:])), nil
	}
	return 0, errors.New("sock_diag: an answer of another kind")
}
