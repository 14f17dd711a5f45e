package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself as the packager of .deb
)

const maintainer = "streamq-proxy maintainers <streamq-proxy@users.noreply.github.com>"

// writeDebian makes the package by deploy/debian/nfpm.yaml.
func (r *release) writeDebian() error {
	libc, err := libcVersion(r.binary())
	if err != nil {
		return err
	}
	values := map[string]string{"BUILT": r.work, "VERSION": r.version, "ARCH": r.arch, "LIBC": libc}
	text, err := os.ReadFile(filepath.Join(r.root, "deploy/debian/nfpm.yaml"))
	if err != nil {
		return err
	}
	config, err := nfpm.ParseWithEnvMapping(bytes.NewReader(text), func(name string) string { return values[name] })
	if err != nil {
		return err
	}
	info, err := config.Get("deb")
	if err != nil {
		return err
	}
	info = nfpm.WithDefaults(info)
	info.MTime = r.made
	for _, c := range info.Contents { // nfpm looks for relative ones in the working directory
		if !filepath.IsAbs(c.Source) {
			c.Source = filepath.Join(r.root, c.Source)
		}
		c.FileInfo.MTime = r.made
	}
	s := &info.Scripts
	for _, script := range []*string{&s.PostInstall, &s.PreRemove, &s.PostRemove} {
		*script = filepath.Join(r.root, *script)
	}
	packager, err := nfpm.Get("deb")
	if err != nil {
		return err
	}
	file, err := os.Create(r.debian())
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, file), file.Close())
}

func (r *release) debian() string {
	return r.product("streamq-proxy_%s_%s.deb", r.version, r.arch)
}
