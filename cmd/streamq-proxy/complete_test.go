package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// completed is what a shell is given for the last of the words, in one line: the
// offers without their descriptions, and the number of cobra's directive.
func completed(t *testing.T, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"__complete"}, words...), &out, io.Discard); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	var all []string
	for line := range strings.Lines(out.String()) {
		offer, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all = append(all, offer)
	}
	return strings.Join(all, " ")
}

func TestCompletion(t *testing.T) {
	twoPools(t)
	for _, say := range []string{"pin alice b1 pool=beta", "pin bob a1,a2 pool=alpha", "door dora pool=beta endpoint=tcp://127.0.0.1:0"} {
		if err := run(t.Context(), append([]string{"ctl"}, strings.Fields(say)...), io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	const file, nothing = ":0", ":4" // cobra's directives: files, and no files
	for typed, want := range map[string]string{
		// Workers of all pools, or of the one that was said.
		"ctl drain |":                          "a1 a2 b1 b2 b3 b4 b5 :4",
		"ctl drain b|":                         "b1 b2 b3 b4 b5 :4",
		"ctl DRAIN a|":                         "a1 a2 :4",
		"ctl drain b1 |":                       "everywhere pool= :6",
		"ctl drain b1 pool=|":                  "pool=alpha pool=beta :4",
		"ctl drain b1 pool=b|":                 "pool=beta :4",
		"ctl drain b1 pool=beta |":             "everywhere :4",
		"ctl drain b1 everywhere pool=beta |":  nothing,
		"ctl drain b1 --every|":                "--everywhere :4",
		"ctl workers pool=alpha worker=|":      "worker=a1 worker=a2 :4",
		"ctl workers |":                        "worker= state= pool= after= limit= :6",
		"ctl workers st|":                      "state= :6",
		"ctl workers state=|":                  "state=ready state=draining state=maintenance state=set-aside :4",
		"ctl clients state=op|":                "state=open :4",
		"ctl workers limit=|":                  nothing,
		"ctl watch drain a|":                   "a1 a2 :4",
		"ctl kick worker a|":                   "a1 a2 :4",
		"ctl kick |":                           "pair client worker :4",
		"ctl add |":                            nothing,
		"ctl add w tcp://127.0.0.1:1 |":        "weight= max= max-handshakes= source= pool= :6",
		"ctl rebalance |":                      "dry-run stop show worker= rate= pool= :6",
		"ctl rebalance d|":                     "dry-run :4",
		"ctl rebalance dry-run |":              "worker= rate= pool= :6",
		"ctl rebalance worker=a1 |":            "dry-run stop show rate= pool= :6",
		"ctl rebalance worker=a|":              "worker=a1 worker=a2 :4",
		"ctl failing |":                        "limit= pool= :6",
		"ctl loglevel |":                       "debug info warn error :4",
		"ctl pause |":                          nothing,
		"ctl nonsense |":                       nothing,
		"ctl --timeout 0 drain |":              nothing,
		"ctl --control ipc:///nowhere drain |": nothing,
		// Lists: the rest of them.
		"ctl pin alice |":             "a1 a2 b1 b2 b3 b4 b5 :4",
		"ctl pin alice a1,|":          "a1,a2 a1,b1 a1,b2 a1,b3 a1,b4 a1,b5 :4",
		"ctl pin alice b1,b2,a|":      "b1,b2,a1 b1,b2,a2 :4",
		"ctl hint alice prefer=|":     "prefer=a1 prefer=a2 prefer=b1 prefer=b2 prefer=b3 prefer=b4 prefer=b5 :4",
		"ctl hint alice prefer=a1,a|": "prefer=a1,a2 :4",
		// Identities, also of those who are not there.
		"ctl unpin |":          "bob alice :4",
		"ctl hints identity=|": "identity=bob identity=alice :4",
		"ctl explain a|":       "alice :4",
		// Doors: who has one, or could, and where.
		"ctl door |":                           "alice bob dora :4",
		"ctl door dora o|":                     "off :4",
		"ctl door dora |":                      "off ttl= endpoint= pool= :6",
		"ctl door dora off |":                  "ttl= endpoint= pool= :6",
		"ctl door bob endpoint=|":              "endpoint=tcp://127.0.0.1:0 :4",
		"ctl door dora pool=alpha endpoint=t|": "endpoint=tcp://127.0.0.1:0 :4",
		// Each verb once, also those that are commands.
		"ctl e|":                      "events explain enable :4",
		"ctl he|":                     "help hello heartbeat :4",
		"ctl w|":                      "watch whois workers weight :4",
		"ctl watch e|":                "explain events enable :4",
		"ctl help dr|":                "drain :4",
		"ctl help drain |":            nothing,
		"ctl events w|":               "worker worker.up worker.down worker.empty :4",
		"ctl events pair.made pair.|": "pair.opened pair.ended :4",
		"ctl events rebalance.b|":     "rebalance.begun :4",
		// Words where one of some is meant.
		"run --policy r|":       "round-robin random rendezvous :4",
		"run --lease |":         "none heartbeat idle ttl :4",
		"run --affinity |":      "none source-address :4",
		"run --relay s|":        "stream splice :4",
		"run --require-hello=|": "true false workers both :4",
		"run --log-level |":     "debug info warn error :4",
		"run --log-format |":    "text json :4",
		// Files where files are meant.
		"check |":              file,
		"check a.yaml |":       nothing,
		"run |":                nothing,
		"run --http-admin |":   "all :4",
		"run --web-config |":   file,
		"run --config |":       file,
		"run --control-cert |": file,
		"run --policy |":       "least-connections round-robin random power-of-two rendezvous :4",
		"ctl --cert |":         file,
		"ctl --server |":       file,
		"ctl --control |":      nothing,
		"ctl -o |":             "table json :4",
		"ctl watch --every |":  nothing,
		"agent |":              "--proxy --worker --workers :4", // without which it cannot do
		"agent --workers |":    file,
		"agent --cert |":       file,
		"agent --proxy |":      nothing,
		"keygen --cert |":      file,
		"keygen |":             nothing,
	} {
		words := strings.Split(strings.TrimSuffix(typed, "|"), " ")
		got := completed(t, words...)
		for end := time.Now().Add(patience); got != want && time.Now().Before(end); { // a proxy that is too busy to answer in time offers nothing
			got = completed(t, words...)
		}
		if got != want {
			t.Errorf("%s is completed by\n%s, want\n%s", typed, got, want)
		}
	}
}
