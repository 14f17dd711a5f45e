// Package api tells over HTTP, as JSON, what a proxy does: pools, workers,
// clients, why they ended, and the last hour. Who may steer can have verbs of the
// control socket executed by it, too.
//
//	told := api.New(api.Config{Pools: pools})
//	told.Register(mux)      // GET /api/v1/...
//	go told.Run(ctx)        // the last hour, and what is sent as it happens
//
// The answers are described by openapi.json beside this file, which is served, too,
// and the tests hold every answer against it. Where the control socket tells the
// same thing, package wire has its form.
//
// # What it costs
//
//	browser ──► limiter ──► Server ──► moments    one snapshot of each pool a second, shared
//	   ▲                       ├─────► directory  one copy of the clients, shared, a second old or more
//	   │                       ├─────► hour       one point every five seconds, kept for an hour
//	   └── bounded queue ◄─────┴────── Run        one goroutine, which sends to all that listen
//
// However many ask, a pool's loop is asked for one snapshot a second. Its clients are
// copied, a few hundred of them at a time, at most once a second and for at most a
// twentieth of the time; searching and sorting are done on that copy. Only an
// explanation asks the loop directly.
//
// More requests than the limiter lets through are answered 429. Each listener of
// server-sent events has a queue of its own with a bound; what does not fit is
// counted and told, and one that reads nothing for five seconds is cut off.
//
// # Who owns what
//
// Each of moments, directory, hour and hub has a mutex of its own. What they hand out
// is never changed afterwards.
//
// # What this package does not do
//
// It makes no HTML: that is package console, which asks a [Server] for the same
// answers. It executes no verb and decides of none: whatever is asked for goes to a
// [control.Steward], with the level of who asks. It looks at no password: whoever serves
// it does, and tells who is whose user by [Steering].
package api
