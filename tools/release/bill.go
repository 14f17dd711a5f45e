package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeBill makes a software bill of materials in CycloneDX's form: Go and its
// modules, and of Debian the packages whose libraries are in the image.
func (r *release) writeBill(ctx context.Context) error {
	packages, err := r.packages(ctx)
	if err != nil {
		return err
	}
	return r.bill(ctx, r.binary(), packages, "")
}

// bill is one of a binary, with components that are no modules of Go, and a suffix to
// its name.
func (r *release) bill(ctx context.Context, binary string, others []cyclonedx.Component, suffix string) error {
	list := r.file("modules" + suffix + ".json")
	cmd := r.command(ctx, "go", "tool", "cyclonedx-gomod", "bin", "-json", "-noserial", "-notimestamp", "-std",
		"-version", "v"+r.version, "-output", list, binary)
	cmd.Dir = filepath.Join(r.root, "tools", "release")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w", err)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	bill := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(bill); err != nil {
		return err
	}
	all := append(*bill.Components, others...)
	bill.Components = &all
	bill.Metadata.Timestamp = r.made.Format("2006-01-02T15:04:05Z")
	if tools := bill.Metadata.Tools; tools != nil && tools.Tools != nil {
		for i := range *tools.Tools {
			(*tools.Tools)[i].Hashes = nil // of the tool's own binary, which each machine builds for itself
		}
	}
	file, err := os.Create(r.product("streamq-proxy-%s-linux-%s%s.cdx.json", r.version, r.arch, suffix))
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(file, cyclonedx.BOMFileFormatJSON)
	return errors.Join(encoder.SetPretty(true).Encode(bill), file.Close())
}

// packages are Debian's with the libraries of the image; none where there is no dpkg.
func (r *release) packages(ctx context.Context) (all []cyclonedx.Component, err error) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return nil, nil
	}
	libraries, err := r.libraries(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, library := range libraries {
		file, err := filepath.EvalSymlinks(library)
		if err != nil {
			return nil, err
		}
		owner, err := r.owner(ctx, file)
		if err != nil {
			return nil, err
		}
		if seen[owner] {
			continue
		}
		seen[owner] = true
		version, err := r.output(ctx, "dpkg-query", "-W", "-f", "${Version}", owner)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(owner, ":")
		purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", name, strings.ReplaceAll(version, "+", "%2B"), r.arch)
		all = append(all, cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl})
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// owner is the package of a library. dpkg knows a file by the path that it has in
// the package, of which /lib or /usr/lib may be the other's name.
func (r *release) owner(ctx context.Context, library string) (string, error) {
	other := strings.TrimPrefix(library, "/usr")
	if other == library {
		other = "/usr" + library
	}
	for _, path := range []string{library, other} {
		cmd := r.command(ctx, "dpkg-query", "-S", path)
		cmd.Stderr = nil
		if said, err := cmd.Output(); err == nil {
			owner, _, _ := strings.Cut(string(said), ": ")
			return owner, nil
		}
	}
	return "", fmt.Errorf("%s is of no package", library)
}

// writeChecksums writes SHA256SUMS, as sha256sum(1) reads it.
func (r *release) writeChecksums() error {
	entries, err := os.ReadDir(r.dist)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(r.dist, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), e.Name())
	}
	return os.WriteFile(r.product("SHA256SUMS"), []byte(sums.String()), 0o644)
}
