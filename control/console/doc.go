// Package console shows in a browser what package api tells: pools, workers, clients,
// one client's pair, why clients ended, handshakes and the last hour.
//
//	seen, err := console.New(told, nil)
//	seen.Register(mux)
//
// Pages are made here, whole, from templates and without JavaScript. With it they are
// live: once a second, or every five where a page is heavy, the script asks for the
// page again and puts in what has changed. So what a page looks like is written once.
//
//	browser ── GET /workers ──► Guard ──► made within the last second? ──► template ──► api.Server
//	   ▲  └─── /api/v1/live ──► a tick a second
//	   └────── what has changed is put in
//
// A page that many look at is made once a second. A page comes with a policy that lets
// nothing run or load but the two files of package console itself, and names of peers are
// text wherever they are.
//
// # What this package does not do
//
// It asks no pool and executes no verb: that is api's, to which its forms are passed on.
// Who may steer is shown them, and nobody else. It needs no other server, no build step
// and no session.
package console
