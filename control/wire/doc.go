// Package wire is the language of the control socket, for both who speaks it: requests
// and replies with their codes, what the replies carry as JSON, the levels of callers,
// and certificates for CURVE.
//
// A request is [VERB, argument, ...], one string per frame; optional arguments are
// KEY=VALUE. A reply is [code, text] or [code, text, json], exactly one for each
// request. What the verbs are, only the proxy knows: HELP tells.
//
// # What this package does not do
//
// It makes no socket and imports nothing else of the proxy: what an application links
// with it is this alone.
package wire
