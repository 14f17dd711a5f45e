package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseRollup(t *testing.T) {
	own := []string{"Pss_Anon:", "Pss_Shmem:"}
	got, err := parseRollup("55d5c0a00000-7ffd rollup\nRss:      900 kB\nPss:      123 kB\nPss_Anon:  50 kB\nPss_File:  70 kB\nPss_Shmem: 3 kB\n", own)
	if err != nil || got != 53<<10 {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range []string{"", "Rss: 5 kB\n", "Pss_Anon: 5 kB\n", "Pss_Anon: x kB\nPss_Shmem: 1 kB\n"} {
		if _, err := parseRollup(bad, own); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseParent(t *testing.T) {
	pid, parent, err := parseParent("42 (a) name) (x) S 7 42 42 0 -1")
	if err != nil || pid != 42 || parent != 7 {
		t.Errorf("%d, %d, %v", pid, parent, err)
	}
	for _, bad := range []string{"", "42 S 7", "42 (a)", "42 (a) S", "x (a) S 7", "42 (a) S x", ") 4 ("} {
		if _, _, err := parseParent(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy("cpu  1 20 300 9999 9999 4000 50000 600000 7 7\ncpu0 1 1 1 1 1 1 1 1\n")
	if want := 654321 * 10 * time.Millisecond; err != nil || got != want {
		t.Errorf("%v, want %v, %v", got, want, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestOthers(t *testing.T) {
	begin := effort{at: time.Unix(100, 0), all: 50 * time.Second, ours: 20 * time.Second}
	end := effort{at: time.Unix(110, 0), all: 65 * time.Second, ours: 30 * time.Second}
	if got := end.others(begin, 2); got != 0.25 {
		t.Errorf("%v: of 20 s on two cores 15 were busy, 10 of them ours", got)
	}
	if got := (effort{at: end.at, all: begin.all, ours: end.ours}).others(begin, 2); got != 0 {
		t.Errorf("%v: less than nothing", got)
	}
}

func TestModelName(t *testing.T) {
	if got := modelName("processor\t: 0\nmodel name\t: Some: CPU\nmodel name\t: Other\n"); got != "Some: CPU" {
		t.Errorf("%q", got)
	}
	if got := modelName("processor: 0\n"); got != "unknown" {
		t.Errorf("%q", got)
	}
}

// A child of a child is in the family, and what it uses counts.
func TestFamilyIsCounted(t *testing.T) {
	p, err := spawn("shell", nil, "sh", "-c", `exec 3<&0; sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; read line <&3' & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if _, err := p.hear(t.Context(), "ready"); err != nil {
		t.Fatal(err)
	}
	members := family(p.pid())
	if len(members) != 2 || members[0] != p.pid() || slices.Contains(members, os.Getpid()) {
		t.Errorf("family of %d: %v", p.pid(), members)
	}
	all, err := cpuTime(p.pid())
	if err != nil {
		t.Fatal(err)
	}
	alone, err := cpuTime(members[1])
	if err != nil {
		t.Fatal(err)
	}
	if alone < 5*time.Millisecond || all < alone {
		t.Errorf("the child used %v, both %v", alone, all)
	}
	if held, err := usageOf(p.pid()); err != nil || held.memory < 64<<10 || held.descriptors < 6 {
		t.Errorf("%+v, %v", held, err)
	}
}
