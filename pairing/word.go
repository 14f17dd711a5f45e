package pairing

import "fmt"

// What is written down for another process, which may be of another version, says
// words and not numbers.

// MarshalText is [Reason.String].
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the inverse of [Reason.MarshalText].
func (r *Reason) UnmarshalText(text []byte) (err error) {
	*r, err = wordOf[Reason]("reason", reasonNames[:], string(text))
	return err
}

// MarshalText is [Strategy.String].
func (s Strategy) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of [Strategy.MarshalText].
func (s *Strategy) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStrategy(string(text))
	return err
}

// MarshalText is [RebalanceState.String].
func (s RebalanceState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of [RebalanceState.MarshalText].
func (s *RebalanceState) UnmarshalText(text []byte) (err error) {
	*s, err = wordOf[RebalanceState]("rebalance", rebalanceStates[:], string(text))
	return err
}

// wordOf is the number of a word among those that there are.
func wordOf[T ~uint8](kind string, words []string, word string) (T, error) {
	for i, w := range words {
		if w == word {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%s %q is unknown", kind, word)
}
