package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// libcVersion is the least version of glibc that has every function which a binary
// uses, as Debian's package libc6 is numbered: 2.34.
func libcVersion(binary string) (string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return "", err
	}
	var newest []int
	for _, s := range symbols {
		version, found := strings.CutPrefix(s.Version, "GLIBC_")
		if !found {
			continue
		}
		var numbers []int
		for part := range strings.SplitSeq(version, ".") {
			n, err := strconv.Atoi(part)
			if err != nil {
				return "", fmt.Errorf("%s needs %s", s.Name, s.Version)
			}
			numbers = append(numbers, n)
		}
		if slices.Compare(numbers, newest) > 0 {
			newest = numbers
		}
	}
	if len(newest) < 2 {
		return "", errors.New("the binary uses no versioned function of glibc")
	}
	return fmt.Sprintf("%d.%d", newest[0], newest[1]), nil
}

// loaded is a library's line of ldd(1), or the dynamic linker's.
var loaded = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$`)

// libraries are the paths of the shared libraries that a binary loads, and of the
// dynamic linker, sorted.
func (r *release) libraries(ctx context.Context) ([]string, error) {
	said, err := r.output(ctx, "ldd", r.binary())
	if err != nil {
		return nil, err
	}
	if strings.Contains(said, "not found") {
		return nil, fmt.Errorf("a library is missing:\n%s", said)
	}
	var paths []string
	for _, m := range loaded.FindAllStringSubmatch(said, -1) {
		paths = append(paths, m[1])
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("ldd tells no library:\n%s", said)
	}
	slices.Sort(paths)
	return paths, nil
}
