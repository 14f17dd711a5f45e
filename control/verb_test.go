package control

import (
	"slices"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// The table of verbs is whole, and what it says of arguments can be taken apart.
func TestVerbs(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Verbs() {
		if v.Name == "" || v.Help == "" || v.run == nil || seen[v.Name] {
			t.Errorf("%+v", v)
		}
		seen[v.Name] = true
		if got := VerbOf(v.Name); got == nil || got.Help != v.Help {
			t.Errorf("%s is found as %+v", v.Name, got)
		}
		if v.Steerable && v.Args != "" {
			t.Errorf("%s is a single frame and has arguments", v.Name)
		}
		places, options := v.Places()
		for _, c := range v.Completes {
			if !slices.Contains(places, c.Arg) && !slices.Contains(options, c.Arg) {
				t.Errorf("%s completes %s, which it has not", v.Name, c.Arg)
			}
		}
	}
	if VerbOf("FROBNICATE") != nil {
		t.Error("there is a verb for everything")
	}
}

// What is special about a verb is said where it stands in the table.
func TestSpecialVerbs(t *testing.T) {
	of := func(is func(*Verb) bool) (names []string) {
		for _, v := range Verbs() {
			if is(&v) {
				names = append(names, v.Name)
			}
		}
		return names
	}
	for _, tc := range []struct {
		what string
		is   func(*Verb) bool
		want []string
	}{
		{"batched", func(v *Verb) bool { return v.Batched }, []string{"HEARTBEAT"}},
		{"steerable", func(v *Verb) bool { return v.Steerable }, []string{"PAUSE", "RESUME", "TERMINATE", "STATISTICS"}},
		{"slow", func(v *Verb) bool { return v.timeout() > 2*time.Second }, []string{"RELOAD", "UPGRADE"}},
		{"of peers", func(v *Verb) bool { return v.Level == wire.Peer }, []string{"PING", "HELLO", "HEARTBEAT", "BYE", "WHOIS"}},
		{"logged unless it only asks", func(v *Verb) bool { return v.logs(nil) && !v.logs(v.Asks) }, []string{"REBALANCE"}},
		{"logged only with arguments", func(v *Verb) bool { return v.logs([]string{"x"}) && !v.logs(nil) }, []string{"LOGLEVEL"}},
		{"logged", func(v *Verb) bool { return v.logs(nil) }, []string{
			"UNHINT", "PIN", "UNPIN", "DRAIN", "MAINT", "ENABLE", "WEIGHT", "MAXCONN", "ADD", "REMOVE", "KICK", "REBALANCE", "LAMEDUCK", "RELOAD", "UPGRADE", "SHUTDOWN", "DOOR",
			"PAUSE", "RESUME", "TERMINATE",
		}},
	} {
		if got := of(tc.is); !slices.Equal(got, tc.want) {
			t.Errorf("%s are %q, want %q", tc.what, got, tc.want)
		}
	}
}

func TestArguments(t *testing.T) {
	pin, kick, hello := VerbOf("PIN"), VerbOf("KICK"), VerbOf("HELLO")
	if places, options := pin.Places(); !slices.Equal(places, []string{"IDENTITY", "WORKER[,FALLBACK,...]", "everywhere"}) || !slices.Equal(options, []string{"pool"}) {
		t.Errorf("PIN has %q and %q", places, options)
	}
	for _, tc := range []struct {
		verb *Verb
		said []string
		want string
	}{
		{kick, []string{"nobody", "x"}, `KICK: "nobody" is none of pair, client, worker (400)`},
		{hello, []string{"broker", "x"}, `HELLO: "broker" is none of client, worker (400)`},
		{hello, []string{"client"}, "HELLO wants " + hello.Args + " (400)"},
		{pin, []string{"ann", "w1", "everywhere", "more"}, `PIN has no use for "more", it wants ` + pin.Args + " (400)"},
		{pin, []string{"ann", "w1", "pool=a", "pool=b"}, "pool= is said twice (400)"},
	} {
		if _, _, err := tc.verb.arguments(tc.said); err == nil || err.Error() != tc.want {
			t.Errorf("%q: %v, want %s", tc.said, err, tc.want)
		}
	}
}

func TestOffers(t *testing.T) {
	for _, tc := range []struct {
		verb, arg string
		said      []string
		want      Offer
	}{
		{"DRAIN", "WORKER", nil, OfferWorkers},
		{"ADD", "WORKER", nil, OfferNothing},
		{"KICK", "WHICH", []string{"client"}, OfferClients},
		{"KICK", "WHICH", []string{"worker"}, OfferWorkers},
		{"KICK", "pair|client|worker", nil, OfferLiterals},
		{"WORKERS", "state", nil, OfferWorkerStates},
		{"PAIRS", "state", nil, OfferPeerStates},
		{"WORKERS", "limit", nil, OfferNothing},
		{"LOGLEVEL", "LEVEL", nil, OfferLogLevels},
		{"DOOR", "IDENTITY", nil, OfferDoors},
		{"DOOR", "off", []string{"alice"}, OfferLiterals},
		{"DOOR", "endpoint", []string{"alice"}, OfferDoorEndpoints},
	} {
		if got := VerbOf(tc.verb).Offer(tc.arg, tc.said); got != tc.want {
			t.Errorf("%s %s after %q: %d, want %d", tc.verb, tc.arg, tc.said, got, tc.want)
		}
	}
}
