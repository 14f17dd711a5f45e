package sockdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// EachConnection tells f where each connection of this machine goes, its own or another
// process', that goes to one of these ports, or, of none, to any; those that have ended a minute
// ago (TIME_WAIT) among them.
func EachConnection(ports []uint16, f func(to netip.AddrPort)) error {
	k, err := dial()
	if err != nil {
		return err
	}
	defer k.close()
	if len(ports) == 0 {
		ports = []uint16{0}
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, port := range ports {
			if err := k.dump(family, port, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k kernel) dump(family uint8, port uint16, f func(netip.AddrPort)) error {
	all, body := request(family, unix.NLM_F_DUMP, connected)
	binary.BigEndian.PutUint16(body[remotePort:], port)
	if err := k.ask(all); err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for {
		answer, err := k.answer(buffer)
		if err != nil {
			return err
		}
		if done, err := connectionsOf(answer, f); done || err != nil {
			return err
		}
	}
}

// connectionsOf reads what the kernel has sent at once; done when that was the last.
func connectionsOf(answer []byte, f func(netip.AddrPort)) (done bool, err error) {
	for len(answer) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(answer))
		if size < unix.SizeofNlMsghdr || size > len(answer) {
			return true, errors.New("sock_diag: a message of an impossible size")
		}
		body := answer[unix.SizeofNlMsghdr:size]
		switch binary.NativeEndian.Uint16(answer[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, refusal(body)
		case byFamily:
			if len(body) >= messageSize {
				f(destination(body))
			}
		}
		answer = answer[min(len(answer), (size+3)&^3):]
	}
	return false, nil
}

func destination(m []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(m[toPort:])
	if m[0] == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(m[toAddress:toAddress+4])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(m[toAddress:toAddress+16])).Unmap(), port)
}
