package zmtp

// Closer says who ended a handshake that did not open.
type Closer uint8

// Closers, as the loop sees them.
const (
	NobodyClosed Closer = iota // it was not over in time
	ClientClosed
	WorkerClosed
)

// String is the closer's name.
func (c Closer) String() string {
	switch c {
	case NobodyClosed:
		return "nobody"
	case ClientClosed:
		return "client"
	case WorkerClosed:
		return "worker"
	}
	return "unknown"
}

// Meaning is a row of the table of what the end of a handshake usually means.
// The client is the side that asks (HELLO, INITIATE) and the worker the one that
// serves, as nearly always.
type Meaning struct {
	Mechanism      string // "" for each
	Client, Worker Stage  // which each has come to
	Closer         Closer
	Text           string // in one line, without a full stop
}

const (
	zapSilent  = "the worker's ZAP handler answers 300, or not at all"
	typesOr300 = "the socket types do not fit together, or the worker's ZAP handler answers 300"
	refusedZAP = "the worker's ZAP handler refuses the client: by key, password or address (400), or it failed itself (500)"
	noZeroMQ   = "what listens there takes connections and closes them: no ZeroMQ worker, or a forwarder without one behind it"
	hasEnded   = "the worker ended, or closed its socket, at that moment"
	goneSilent = "the worker takes connections and says nothing: it hangs, or is no ZeroMQ worker"
	stopped    = "the client began a handshake and left it at that: no ZeroMQ client, or one that was stopped"
)

// Meanings is the table. Each row was seen with libzmq 4.3.4 and 4.3.5, or with a peer
// that was made to do so, in the test that goes through it:
//
//	mechanism  client    worker     closed by  usually means
//	any        signature nothing    worker     no ZeroMQ worker
//	any        greeting  nothing    worker     no ZeroMQ worker
//	any        signature nothing    nobody     the worker hangs
//	any        greeting  nothing    nobody     the worker hangs
//	any        signature signature  worker     the worker ended
//	any        greeting  greeting   worker     the worker ended
//	any        signature signature  nobody     the client stopped
//	any        greeting  signature  worker     another mechanism
//	any        READY     signature  worker     ZMTP 2.0 at a worker with a mechanism
//	NULL       greeting  READY      client     socket types do not fit
//	NULL       READY     greeting   worker     socket types do not fit, or ZAP 300
//	NULL       READY     greeting   nobody     ZAP 300, or no answer of the ZAP handler
//	NULL       READY     ERROR      client     ZAP 400 or 500
//	PLAIN      HELLO     greeting   worker     no ZAP handler, or ZAP 300
//	PLAIN      HELLO     greeting   nobody     ZAP 300, or no answer of the ZAP handler
//	PLAIN      HELLO     ERROR      client     ZAP 400 or 500: a wrong password
//	PLAIN      INITIATE  WELCOME    worker     socket types do not fit
//	CURVE      HELLO     greeting   worker     another server key
//	CURVE      INITIATE  WELCOME    worker     socket types do not fit, or ZAP 300
//	CURVE      INITIATE  WELCOME    nobody     ZAP 300, or no answer of the ZAP handler
//	CURVE      INITIATE  ERROR      client     ZAP 400 or 500
//	CURVE      greeting  greeting   nobody     both are servers
//	PLAIN      greeting  greeting   nobody     both are servers
//
// ZAP's 300 is in it twice because libzmq closes at once when the handler's
// answer is there before the I/O thread has looked away from the command, and
// otherwise never before HANDSHAKE_IVL (30 s) is over.
func Meanings() []Meaning { return append([]Meaning(nil), meanings[:]...) }

var meanings = [...]Meaning{
	{"", StageSignature, StageNothing, WorkerClosed, noZeroMQ},
	{"", StageGreeting, StageNothing, WorkerClosed, noZeroMQ},
	{"", StageSignature, StageNothing, NobodyClosed, goneSilent},
	{"", StageGreeting, StageNothing, NobodyClosed, goneSilent},
	{"", StageSignature, StageSignature, WorkerClosed, hasEnded},
	{"", StageGreeting, StageGreeting, WorkerClosed, hasEnded},
	{"", StageSignature, StageSignature, NobodyClosed, stopped},
	{"", StageGreeting, StageSignature, WorkerClosed, "the worker speaks another mechanism than the client, or ended at that moment"},
	{"", StageReady, StageSignature, WorkerClosed, "the worker has a mechanism, and ZMTP 2.0 knows none"},
	{"", StageReady, StageNothing, WorkerClosed, "the worker closed before it said anything: it has a mechanism, and ZMTP 2.0 knows none, or it is no ZeroMQ worker"},
	{"", StageSignature, StageGreeting, ClientClosed, "the client left when it had seen the worker's greeting: as a rule it speaks another mechanism"},
	{"NULL", StageGreeting, StageReady, ClientClosed, "the socket types do not fit together"},
	{"NULL", StageReady, StageGreeting, WorkerClosed, typesOr300},
	{"NULL", StageReady, StageGreeting, NobodyClosed, zapSilent},
	{"NULL", StageReady, StageError, ClientClosed, refusedZAP},
	{"PLAIN", StageHello, StageGreeting, WorkerClosed, "there is no ZAP handler in the worker's context, or it answers 300"},
	{"PLAIN", StageHello, StageGreeting, NobodyClosed, zapSilent},
	{"PLAIN", StageHello, StageError, ClientClosed, refusedZAP},
	{"PLAIN", StageInitiate, StageWelcome, WorkerClosed, "the socket types do not fit together"},
	{"CURVE", StageHello, StageGreeting, WorkerClosed, "most likely the client has another server key than the worker's"},
	{"CURVE", StageInitiate, StageWelcome, WorkerClosed, typesOr300},
	{"CURVE", StageInitiate, StageWelcome, NobodyClosed, zapSilent},
	{"CURVE", StageInitiate, StageError, ClientClosed, refusedZAP},
	{"CURVE", StageGreeting, StageGreeting, NobodyClosed, "client and worker are both servers, and each waits for HELLO"},
	{"PLAIN", StageGreeting, StageGreeting, NobodyClosed, "client and worker are both servers, and each waits for HELLO"},
}

// Meaning says in one line what it usually means that a handshake ended as far as
// it has come, "" where the table has nothing to say. A client that closes where the
// table knows of nobody's closing has had less patience. It does not allocate.
func (h *Handshake) Meaning(c Closer) string {
	if h.worker.stage == StageError {
		c = ClientClosed // whoever was first: the worker has said its last word
	}
	text := h.meaning(c)
	if text == "" && c == ClientClosed {
		text = h.meaning(NobodyClosed)
	}
	return text
}

func (h *Handshake) meaning(c Closer) string {
	for i := range meanings {
		m := &meanings[i]
		if m.Closer == c && m.Client == h.client.stage && m.Worker == h.worker.stage && (m.Mechanism == "" || m.Mechanism == h.client.mechanism) {
			return m.Text
		}
	}
	return ""
}
