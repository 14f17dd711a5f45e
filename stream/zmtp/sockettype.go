package zmtp

import "strings"

// types is a set of socket types, one bit each by its place in socketTypes. The
// highest bit is any name that is not there.
type types uint32

const typeOther types = 1 << 31

const (
	typePair types = 1 << iota
	typePub
	typeSub
	typeReq
	typeRep
	typeDealer
	typeRouter
	typePull
	typePush
	typeXPub
	typeXSub
	typeServer
	typeClient
	typeRadio
	typeDish
	typeGather
	typeScatter
	typeDgram
	typePeer
	typeChannel
)

// socketTypes are those of 23/ZMTP, 28/REQREP to 31/EXPAIR and of the drafts
// 41/CLISRV, 48/RADIO-DISH, 49/SCATTER-GATHER, 51/P2P and 52/CHANNEL, each with
// the types that it may talk to. The table is libzmq's (mechanism_t::
// check_socket_type, the same since 4.0 but for the drafts), JeroMQ's, NetMQ's,
// go-zeromq's and zmq.rs'.
var socketTypes = [...]struct {
	name     string
	partners types
}{
	{"PAIR", typePair},
	{"PUB", typeSub | typeXSub},
	{"SUB", typePub | typeXPub},
	{"REQ", typeRep | typeRouter},
	{"REP", typeReq | typeDealer},
	{"DEALER", typeRep | typeDealer | typeRouter},
	{"ROUTER", typeReq | typeDealer | typeRouter},
	{"PULL", typePush},
	{"PUSH", typePull},
	{"XPUB", typeSub | typeXSub},
	{"XSUB", typePub | typeXPub},
	{"SERVER", typeClient},
	{"CLIENT", typeServer},
	{"RADIO", typeDish},
	{"DISH", typeRadio},
	{"GATHER", typeScatter},
	{"SCATTER", typeGather},
	{"DGRAM", typeDgram},
	{"PEER", typePeer},
	{"CHANNEL", typeChannel},
}

// typeOf is the set of one type. A type's name is case-sensitive.
func typeOf(name []byte) types {
	for i := range socketTypes {
		if string(name) == socketTypes[i].name {
			return 1 << i
		}
	}
	return typeOther
}

// fit says whether every type of a may talk to every one of b. A peer names one
// and checks each that it hears; what nobody has named is not checked, and two
// peers that know types of their own may know what they do.
func fit(a, b types) bool {
	if a == 0 || b == 0 || a == typeOther && b == typeOther {
		return true
	}
	for i := range socketTypes {
		if a&(1<<i) != 0 && b&^socketTypes[i].partners != 0 {
			return false
		}
	}
	return a&typeOther == 0
}

// String is the names, for a message.
func (t types) String() string {
	var names []string
	for i := range socketTypes {
		if t&(1<<i) != 0 {
			names = append(names, socketTypes[i].name)
		}
	}
	if t&typeOther != 0 {
		names = append(names, "an unknown type")
	}
	return strings.Join(names, " and ")
}
