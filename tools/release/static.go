package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeStatic packs the program that needs no library, and makes its own bill of
// materials. tools/static.sh has a compiler for amd64 machines only.
func (r *release) writeStatic(ctx context.Context) error {
	if r.arch != "amd64" {
		fmt.Fprintln(os.Stderr, "release: no static program, which is made on amd64")
		return nil
	}
	if err := r.command(ctx, "tools/static.sh", r.arch, "tar", r.dist).Run(); err != nil {
		return err
	}
	name := fmt.Sprintf("streamq-proxy-%s-linux-%s", r.version, r.arch)
	if _, err := r.output(ctx, "tar", "-C", r.work, "-xzf", r.product("%s.tar.gz", name), name+"/streamq-proxy"); err != nil {
		return err
	}
	said, err := r.output(ctx, "tools/static.sh", r.arch, "parts")
	if err != nil {
		return err
	}
	parts, err := components(said)
	if err != nil {
		return err
	}
	return r.bill(ctx, r.file(name, "streamq-proxy"), parts, "-static")
}

// components are what is in the program besides Go and its modules.
func components(said string) (all []cyclonedx.Component, err error) {
	for line := range strings.Lines(said) {
		words := strings.Fields(line)
		if len(words) != 4 {
			return nil, fmt.Errorf("a part has not a name, a version, and the same of what has brought it: %q", line)
		}
		purl := fmt.Sprintf("pkg:generic/%s@%s", strings.ReplaceAll(words[0], "+", "%2B"), words[1])
		all = append(all, cyclonedx.Component{
			BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: words[0], Version: words[1], PackageURL: purl,
			Description: "as it is in " + words[2] + " " + words[3],
		})
	}
	return all, nil
}
