package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// SourcePorts are how many ports connections to one address and port may have from
// one address of this machine: net.ipv4.ip_local_port_range less
// net.ipv4.ip_local_reserved_ports (ip(7)).
func SourcePorts() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, err
	}
	var low, high int
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil || low > high {
		return 0, fmt.Errorf("%q is no range of ports", text)
	}
	reserved, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	if err != nil { // a kernel without them
		reserved = nil
	}
	return high - low + 1 - portsOf(strings.TrimSpace(string(reserved)), low, high), nil
}

// portsOf counts the ports within bounds of a list such as "8080,9000-9100", which
// the kernel writes in ascending order.
func portsOf(list string, low, high int) (n int) {
	for _, one := range strings.Split(list, ",") {
		var from, to int
		switch k, _ := fmt.Sscanf(one, "%d-%d", &from, &to); k {
		case 0:
			continue
		case 1:
			to = from
		}
		n += max(0, min(to, high)-max(from, low)+1)
	}
	return n
}

// PortsInUse counts the ports that connections from this machine to each of these
// workers have: all of its addresses count for themselves, and the one with the most for
// a name. The connections of other processes count, and those that have ended a minute
// ago (TIME_WAIT), for the kernel gives out none of their ports either. The kernel is
// asked, by sock_diag(7). Endpoints without an address have none.
func PortsInUse(endpoints []string) (map[string]int, error) {
	wanted := map[uint16]map[netip.Addr]bool{} // addresses by port; none for a name, which may have any
	addressed := map[string]endpoint.Endpoint{}
	for _, e := range endpoints {
		ep, err := endpoint.Parse(e)
		if err != nil || !ep.Addressed() {
			continue
		}
		addressed[e] = ep
		ip, err := netip.ParseAddr(ep.Host)
		all, known := wanted[ep.Port]
		switch {
		case err != nil || known && all == nil:
			wanted[ep.Port] = nil
		case !known:
			wanted[ep.Port] = map[netip.Addr]bool{ip.Unmap(): true}
		default:
			all[ip.Unmap()] = true
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	used := map[netip.AddrPort]int{}
	err := eachConnection(wanted, func(to netip.AddrPort) {
		if only, wants := wanted[to.Port()]; wants && (only == nil || only[to.Addr()]) {
			used[to]++
		}
	})
	if err != nil {
		return nil, err
	}
	return portsEach(addressed, used), nil
}

// portsEach is what each endpoint has of the ports that are used by addresses.
func portsEach(endpoints map[string]endpoint.Endpoint, used map[netip.AddrPort]int) map[string]int {
	each := map[string]int{}
	for e, ep := range endpoints {
		if ip, err := netip.ParseAddr(ep.Host); err == nil {
			each[e] = used[netip.AddrPortFrom(ip.Unmap(), ep.Port)]
			continue
		}
		for to, n := range used {
			if to.Port() == ep.Port {
				each[e] = max(each[e], n)
			}
		}
	}
	return each
}

// fewPorts are asked for one by one, which the kernel answers with less than
// everything that it has.
const fewPorts = 8

func eachConnection(to map[uint16]map[netip.Addr]bool, f func(netip.AddrPort)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer sockets.Close(fd)
	limit := unix.NsecToTimeval(time.Second.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	ports := []uint16{0} // any
	if len(to) <= fewPorts {
		ports = ports[:0]
		for p := range to {
			ports = append(ports, p)
		}
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, port := range ports {
			if err := dumpConnections(fd, family, port, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// What the kernel's inet_diag.h and tcp_states.h have.
const (
	sockDiagByFamily = 20
	diagRequestSize  = unix.SizeofNlMsghdr + 56
	diagMessageSize  = 72
	diagDestination  = 6 // of the port in the message; the address is 20 behind the ports' end
	diagAddress      = 24
	// All states of a connection that has a port of ours, TIME_WAIT included; neither
	// closed ones nor listeners.
	diagStates = 1<<1 | 1<<2 | 1<<4 | 1<<5 | 1<<6 | 1<<8 | 1<<9 | 1<<11
)

func dumpConnections(fd int, family uint8, port uint16, f func(netip.AddrPort)) error {
	request := make([]byte, diagRequestSize)
	binary.NativeEndian.PutUint32(request[0:], diagRequestSize)
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := request[unix.SizeofNlMsghdr:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], diagStates)
	binary.BigEndian.PutUint16(body[10:], port)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		if done, err := connectionsOf(answer[:n], f); done || err != nil {
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
			if len(body) < 4 {
				return true, errors.New("sock_diag: refused")
			}
			return true, os.NewSyscallError("sock_diag", unix.Errno(-int32(binary.NativeEndian.Uint32(body))))
		case sockDiagByFamily:
			if len(body) >= diagMessageSize {
				f(destination(body))
			}
		}
		answer = answer[min(len(answer), (size+3)&^3):]
	}
	return false, nil
}

func destination(m []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(m[diagDestination:])
	if m[0] == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(m[diagAddress:diagAddress+4])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(m[diagAddress:diagAddress+16])).Unmap(), port)
}
