package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process and its descendants have used so far, in user and kernel mode, ended threads included. The
// clock behind it counts nanoseconds; /proc/PID/stat counts ticks of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	var sum time.Duration
	for _, p := range family(pid) {
		var t unix.Timespec
		// The clock of another process, as clock_getcpuclockid(3) makes it: not the pid, shifted, and CPUCLOCK_SCHED.
		if err := unix.ClockGettime(int32(^p)<<3|2, &t); err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", p, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// effort is what the machine has done up to a moment, and what of that was for this process and the children it has
// waited for.
type effort struct {
	at        time.Time
	all, ours time.Duration
}

func effortSoFar() (effort, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return effort{}, err
	}
	e := effort{at: time.Now()}
	if e.all, err = parseBusy(string(stat)); err != nil {
		return e, err
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var r unix.Rusage
		if err := unix.Getrusage(who, &r); err != nil {
			return e, err
		}
		e.ours += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return e, nil
}

// others is the share of so many cores that was not ours since an earlier moment.
func (e effort) others(since effort, cores int) float64 {
	theirs := (e.all - since.all) - (e.ours - since.ours)
	return max(0, theirs.Seconds()/e.at.Sub(since.at).Seconds()/float64(cores))
}

// parseBusy adds up the time of all cores that /proc/stat does not count as idle, in which it has ticks of 10 ms.
func parseBusy(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, errors.New("not what /proc/stat begins with")
	}
	var ticks int64
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		if i != 3 && i != 4 {
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// usage is what a process and its descendants hold at a moment.
type usage struct {
	memory      int64 // bytes: the proportional set size, pages that are shared counted by their share
	descriptors int
}

func usageOf(pid int) (sum usage, err error) {
	// Memory that is a process's own: its share of what is no file's. Pages of the program and its libraries are
	// not counted, which come in with the first connection and do not grow with more.
	if sum.memory, err = memoryOf(pid, "Pss_Anon:", "Pss_Shmem:"); err != nil {
		return sum, err
	}
	for _, p := range family(pid) {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p))
		if err != nil {
			return sum, err
		}
		sum.descriptors += len(open)
	}
	return sum, nil
}

// memoryOf is what these lines of /proc/PID/smaps_rollup say, in bytes, of a process and its descendants.
func memoryOf(pid int, lines ...string) (sum int64, err error) {
	for _, p := range family(pid) {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			return sum, err
		}
		memory, err := parseRollup(string(rollup), lines)
		if err != nil {
			return sum, fmt.Errorf("process %d: %w", p, err)
		}
		sum += memory
	}
	return sum, nil
}

func parseRollup(rollup string, wanted []string) (sum int64, err error) {
	found := 0
	for line := range strings.Lines(rollup) {
		fields := strings.Fields(line)
		if len(fields) == 3 && slices.Contains(wanted, fields[0]) && fields[2] == "kB" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, err
			}
			sum += kib << 10
			found++
		}
	}
	if found != len(wanted) {
		return 0, fmt.Errorf("no lines %v in smaps_rollup", wanted)
	}
	return sum, nil
}

// family is a process and its descendants.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		if child, parent, err := parseParent(string(stat)); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// parseParent reads a process and its parent from /proc/PID/stat, whose second field is a name that may hold anything.
func parseParent(stat string) (pid, parent int, err error) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return 0, 0, errors.New("not a line of /proc/PID/stat")
	}
	rest := strings.Fields(stat[end+1:])
	if len(rest) < 2 {
		return 0, 0, errors.New("a short line of /proc/PID/stat")
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(stat[:open])); err != nil {
		return 0, 0, err
	}
	parent, err = strconv.Atoi(rest[1])
	return pid, parent, err
}
