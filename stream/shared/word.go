package shared

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// aheadMost is how far the clock of the proxy that has said something may be ahead of this one's.
const aheadMost = time.Hour

// wordMax bounds a word, in bytes.
const wordMax = len(version) + len("9223372036854775807 ") + maxName + len(" ") + pairing.MaxList

// wordKinds are what a register is called in keys.
var wordKinds = [pairing.NumRegisters + 1]string{"ws", "ww", "wm", pairing.RegisterPin: "ip"}

// wordKey has the last word about a register of a worker, or of an identity.
func (s Space) wordKey(prefix string, w *pairing.Steering) string {
	if w.Register == pairing.RegisterPin {
		return s.pinKey(prefix, w.Identity)
	}
	return s.named(prefix, wordKinds[w.Register], w.Worker)
}

// pinKey has the last word about an identity.
func (s Space) pinKey(prefix, identity string) string {
	return s.named(prefix, wordKinds[pairing.RegisterPin], identity)
}

// encodeWord writes a word that was said everywhere: "1 STAMP PROXY VALUE".
func encodeWord(w *pairing.Steering) (text string, ok bool) {
	return version + strings.Join([]string{strconv.FormatInt(w.At, 10), w.By, w.Text()}, " "), isName(w.By) && isPin(w.Workers)
}

// isPin says whether an identity may be pinned to these workers, "" for none.
func isPin(workers string) bool {
	return workers == "" || pairing.CheckPrefer(strings.Split(workers, ",")) == nil
}

// isName says whether a proxy may have that name.
func isName(name string) bool {
	return name != "" && len(name) <= maxName && readable(name) && !strings.Contains(name, " ")
}

// decodeWord reads what encodeWord has written about a register of a worker, or of an identity, and refuses all else.
func decodeWord(text string, about *pairing.Steering, now time.Time) (w pairing.Steering, err error) {
	body, ok := strings.CutPrefix(text, version)
	parts := strings.SplitN(body, " ", 3)
	if !ok || len(parts) != 3 || !isName(parts[1]) {
		return w, errNonsense
	}
	w = pairing.Steering{Worker: about.Worker, Identity: about.Identity, Register: about.Register}
	w.Everywhere, w.By = true, parts[1]
	if w.At, err = strconv.ParseInt(parts[0], 10, 64); err != nil || w.At <= 0 || w.At > now.Add(aheadMost).UnixMilli() {
		return w, errNonsense
	}
	low, high := 0, pairing.MostPairs
	switch about.Register {
	case pairing.RegisterState:
		w.Value = slices.Index(pairing.StateNames()[:pairing.SetAside], parts[2])
		high = int(pairing.Maintenance)
	case pairing.RegisterPin:
		w.Workers = parts[2]
	case pairing.RegisterWeight:
		low, high = 1, pairing.MaxWeight
		fallthrough
	default:
		if w.Value, err = strconv.Atoi(parts[2]); err != nil {
			return w, errNonsense
		}
	}
	if again, ok := encodeWord(&w); w.Value < low || w.Value > high || !ok || again != text {
		return w, errNonsense
	}
	return w, nil
}
