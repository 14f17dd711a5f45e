// Package webconfig lets in over HTTP whom a web configuration of Prometheus' exporter-toolkit
// names, and serves the TLS that it says.
//
//	gate, err := webconfig.Open("/etc/streamq-proxy/web.yml", log)
//	handler = gate.Handler(handler, refuse)
//	err = gate.Serve(listener, &http.Server{Handler: handler})
//
// The form of the file, and what is right in it, is the toolkit's. Serving is not, for three
// reasons. The toolkit reads the file whenever somebody comes and answers nobody while it cannot;
// it lets everybody in by an empty one; and whoever guesses passwords has all of a processor.
//
// # States
//
//	        right, and opens nothing
//	      ┌──────────────────────────┐
//	      ▼                          │
//	in force ── file changes ──► looked at ── wrong, or it opens something ──► not taken
//	      ▲                                                                        │
//	      └───────────────────────── the file is right again ◄─────────────────────┘
//
// While a file is not taken the last one that was right stays in force. A file opens something that
// has no users, no TLS or a lesser check of clients' certificates, where there was one: that takes a
// restart, so that an emptied file opens nothing.
//
// # What this package does not do
//
// It makes no difference between users: who may steer is package api's.
package webconfig
