package zmtp

import (
	"bufio"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chunk is what one side of a recorded connection sent at once.
type chunk struct {
	client bool
	bytes  []byte
}

// recorded are connections of real peers, what they spoke, and after how many
// chunks the clear part was over (0: never).
var recorded = []struct {
	name, version, mechanism, workerMechanism string
	open                                      int
}{
	{"null-req-rep", "3.1", "NULL", "NULL", 8},
	{"null-dealer-router", "3.1", "NULL", "NULL", 8},
	{"null-big-identity", "3.1", "NULL", "NULL", 5},
	{"null-sub-pub", "3.1", "NULL", "NULL", 5},
	{"null-against-curve", "3.1", "NULL", "CURVE", 0},
	{"plain-req-rep", "3.1", "PLAIN", "PLAIN", 10},
	{"plain-refused", "3.1", "PLAIN", "PLAIN", 0},
	{"curve-req-rep", "3.1", "CURVE", "CURVE", 8},
	{"curve-dealer-dealer", "3.1", "CURVE", "CURVE", 8},
	{"curve-server-is-client", "3.1", "CURVE", "CURVE", 8},
	{"curve-wrong-key", "3.1", "CURVE", "CURVE", 0},
	{"go-zeromq-req-rep", "3.0", "NULL", "NULL", 4},
	{"jeromq-req-rep", "2.0", "NULL", "NULL", 4},
	{"v2-req-rep", "2.0", "NULL", "NULL", 6},
	{"v1-req-rep", "1.0", "NULL", "NULL", 2},
	{"v1-req-rep-named", "1.0", "NULL", "NULL", 3},
}

func load(t testing.TB, name string) (chunks []chunk) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "recorded", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		side, text, _ := strings.Cut(lines.Text(), " ")
		if side == "#" {
			continue
		}
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk{side == ">", b})
	}
	return chunks
}

func (c chunk) give(h *Handshake, b []byte) (State, error) {
	if c.client {
		return h.Client(b)
	}
	return h.Worker(b)
}

func TestRecordedPeers(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) != len(recorded) {
		t.Fatalf("%d recordings and %d expectations (%v)", len(files), len(recorded), err)
	}
	for _, r := range recorded {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var h Handshake
			for i, c := range load(t, r.name) {
				state, err := c.give(&h, c.bytes)
				if err != nil {
					t.Fatalf("chunk %d: %v", i+1, err)
				}
				if want := r.open > 0 && i+1 >= r.open; (state == Open) != want {
					t.Errorf("after chunk %d: %v, want open: %v", i+1, state, want)
				}
			}
			expectEnd(t, &h, r.version, r.mechanism, r.workerMechanism)
		})
	}
}

func expectEnd(t *testing.T, h *Handshake, version, mechanism, workerMechanism string) {
	t.Helper()
	if got := h.Version(); got != version {
		t.Errorf("Version %q, want %q", got, version)
	}
	if got := h.Mechanism(); got != mechanism {
		t.Errorf("Mechanism %q, want %q", got, mechanism)
	}
	if got := h.WorkerMechanism(); got != workerMechanism {
		t.Errorf("WorkerMechanism %q, want %q", got, workerMechanism)
	}
}

// Every chunk is cut at every place into two, and then into single octets: the
// result must be the same, and Open must come with the same octet.
func TestRecordedPeersInEverySplit(t *testing.T) {
	t.Parallel()
	for _, r := range recorded {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			chunks := load(t, r.name)
			whole := openings(t, chunks, func([]byte) []int { return nil })
			single := func(b []byte) (cuts []int) {
				for i := 1; i < len(b); i++ {
					cuts = append(cuts, i)
				}
				return cuts
			}
			if got := openings(t, chunks, single); got.end != whole.end || got.open > whole.open {
				t.Errorf("octet by octet %+v, whole %+v", got, whole)
			}
			for at := 1; at < 310; at++ {
				cut := func(b []byte) []int {
					if at < len(b) {
						return []int{at}
					}
					return nil
				}
				if got := openings(t, chunks, cut); got.end != whole.end || got.open > whole.open {
					t.Errorf("cut at %d: %+v, whole %+v", at, got, whole)
				}
			}
		})
	}
}

// outcome is the octets that had passed when the pair was open, and what was
// known at the end.
type outcome struct {
	open int
	end  struct{ version, mechanism, workerMechanism string }
}

func openings(t *testing.T, chunks []chunk, cuts func([]byte) []int) (o outcome) {
	t.Helper()
	var h Handshake
	passed, open := 0, false
	for _, c := range chunks {
		begin := 0
		for _, end := range append(cuts(c.bytes), len(c.bytes)) {
			state, err := c.give(&h, c.bytes[begin:end])
			if err != nil {
				t.Fatalf("after %d octets: %v", passed, err)
			}
			passed += end - begin
			begin = end
			if state == Open && !open {
				open, o.open = true, passed
			}
			if state != Open && open {
				t.Fatalf("%v after it had been open", state)
			}
		}
	}
	o.end.version, o.end.mechanism, o.end.workerMechanism = h.Version(), h.Mechanism(), h.WorkerMechanism()
	return o
}

// Neighbouring chunks of one side may arrive as one.
func TestRecordedPeersCoalesced(t *testing.T) {
	t.Parallel()
	for _, r := range recorded {
		var joined []chunk
		for _, c := range load(t, r.name) {
			if n := len(joined); n > 0 && joined[n-1].client == c.client {
				joined[n-1].bytes = append(joined[n-1].bytes, c.bytes...)
				continue
			}
			joined = append(joined, c)
		}
		var h Handshake
		var state State
		for _, c := range joined {
			var err error
			if state, err = c.give(&h, c.bytes); err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
		}
		if (state == Open) != (r.open > 0) {
			t.Errorf("%s: %v at the end", r.name, state)
		}
		expectEnd(t, &h, r.version, r.mechanism, r.workerMechanism)
	}
}

// Whatever a real peer sends first must be let in, and at no octet of it may
// the verdict be that it cannot become ZMTP.
func TestInspectLetsRealPeersIn(t *testing.T) {
	t.Parallel()
	for _, r := range recorded {
		var sent [2][]byte
		for _, c := range load(t, r.name) {
			side := 0
			if c.client {
				side = 1
			}
			sent[side] = append(sent[side], c.bytes...)
		}
		for side, b := range sent {
			if side == 0 && r.version == "1.0" {
				continue // libzmq goes on differently after a signature when it meets 1.0
			}
			for n := 1; n <= len(b); n++ {
				if v := Inspect(b[:n]); v == NotZMTP || v == NeedMore && n >= signatureLength {
					t.Fatalf("%s: %v after %d octets", r.name, v, n)
				}
			}
		}
	}
}

func TestZeroAllocationsPerChunk(t *testing.T) {
	for _, r := range recorded {
		chunks := load(t, r.name)
		allocations := testing.AllocsPerRun(100, func() {
			var h Handshake
			for _, c := range chunks {
				if _, err := c.give(&h, c.bytes); err != nil {
					t.Error(err)
				}
				_, _, _ = h.Mechanism(), h.WorkerMechanism(), h.Version()
				_ = Inspect(c.bytes)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", r.name, allocations)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	for _, r := range recorded {
		var client, worker []byte
		for _, c := range load(f, r.name) {
			if c.client {
				client = append(client, c.bytes...)
			} else {
				worker = append(worker, c.bytes...)
			}
		}
		f.Add(client, worker, uint8(7))
	}
	f.Fuzz(func(t *testing.T, client, worker []byte, step uint8) {
		// What one side has sent before the other's begins to matter is the
		// same however it was cut.
		var whole, cut Handshake
		wholeState, wholeErr := whole.Client(client)
		if wholeErr == nil {
			wholeState, wholeErr = whole.Worker(worker)
		}
		cutState, cutErr := inSteps(cut.Client, client, int(step)+1)
		if cutErr == nil {
			cutState, cutErr = inSteps(cut.Worker, worker, int(step)+1)
		}
		if (wholeErr == nil) != (cutErr == nil) {
			t.Fatalf("whole: %v, cut: %v", wholeErr, cutErr)
		}
		if wholeErr != nil {
			if !errors.Is(wholeErr, ErrNotZMTP) || strings.Contains(wholeErr.Error(), "\n") {
				t.Fatalf("error %q", wholeErr)
			}
			return
		}
		if wholeState != cutState || whole != cut {
			t.Fatalf("whole %v %+v, cut %v %+v", wholeState, whole, cutState, cut)
		}
	})
}

func inSteps(give func([]byte) (State, error), b []byte, step int) (state State, err error) {
	state, err = give(nil)
	for err == nil && len(b) > 0 {
		n := min(step, len(b))
		state, err = give(b[:n])
		b = b[n:]
	}
	return state, err
}
