package pairing

import (
	"strings"
	"testing"
)

// TestCheckName: names are words of lines and of lists.
func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"ann": true, "tcp://10.0.0.1:5": true, "é": true, strings.Repeat("x", MaxName): true,
		"": false, "a,b": false, "a\nb": false, "a\x00": false, "\xff": false, "a\u200b": false, strings.Repeat("x", MaxName+1): false,
	} {
		if err := CheckName("identity", name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestCheckPrefer: so many workers, and so many bytes, commas included, and no more.
func TestCheckPrefer(t *testing.T) {
	long := strings.Repeat("x", MaxName)
	for i, list := range []struct {
		workers []string
		ok      bool
	}{
		{nil, true},
		{[]string{"w1", "w2"}, true},
		{strings.Split(strings.Repeat("w,", MaxPrefer-1)+"w", ","), true},
		{strings.Split(strings.Repeat("w,", MaxPrefer)+"w", ","), false},
		{[]string{long, long, long, long[:MaxList-3*(MaxName+1)-2], "y"}, true},
		{[]string{long, long, long, long[:MaxList-3*(MaxName+1)-1], "y"}, false},
		{[]string{long, long, long, long, "w"}, false},
		{[]string{"w1", ""}, false},
		{[]string{"w1,w2"}, false},
	} {
		if err := CheckPrefer(list.workers); (err == nil) != list.ok {
			t.Errorf("%d: %v", i, err)
		}
	}
}
