package sockdiag

import "testing"

// TestStrangeAnswers: no answer to the question for a listener is taken for more than it says.
func TestStrangeAnswers(t *testing.T) {
	for _, answer := range [][]byte{nil, make([]byte, 15), make([]byte, 16), {36, 0, 0, 0, 20, 0, 15: 0, 40: 1}, {20, 0, 0, 0, 2, 0, 15: 0, 17: 0}} {
		if inode, err := inodeOf(answer); err == nil || inode != 0 {
			t.Errorf("of %v: %d, %v", answer, inode, err)
		}
	}
}
