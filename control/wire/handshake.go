package wire

// Handshake is what the clear part of a pair's handshake has shown.
type Handshake struct {
	Mechanism string `json:"mechanism"` // that the client asks for, "" while it is not known
	Version   string `json:"zmtp"`      // that the two speak, "" while it is not known
	// AsServer is whose greeting claims to be the server's: client, worker, both or nobody's, "".
	AsServer string `json:"as_server,omitempty"`
	// ClientStage and WorkerStage are how far each has come: nothing, signature, greeting,
	// HELLO, WELCOME, INITIATE, READY or ERROR.
	ClientStage string `json:"client_stage"`
	WorkerStage string `json:"worker_stage"`
	ClosedBy    string `json:"closed_by,omitempty"` // before it was through: client, worker or proxy
	Error       string `json:"error,omitempty"`     // what ERROR said: ZAP's status code, as a rule
	Steps       []Step `json:"steps,omitempty"`     // in their order
}

// Step is a stage that a side has come to.
type Step struct {
	Side  string  `json:"side"` // client or worker
	Stage string  `json:"stage"`
	After float64 `json:"after"` // seconds since the pair was made, to the microsecond
}
