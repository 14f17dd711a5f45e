package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// imageBinary is where the program is in the image.
	imageBinary = "usr/bin/streamq-proxy"
	// imageUser is nobody of the host's, and may do nothing in the image but run it.
	imageUser = "65532:65532"
)

// writeImage makes an image of the binary and the libraries that it loads, and of
// nothing else: no base image, no shell, no user database.
func (r *release) writeImage(ctx context.Context) error {
	libraries, err := r.libraries(ctx)
	if err != nil {
		return err
	}
	contents := map[string]string{} // by path in the image: the file
	for _, library := range libraries {
		contents[library[1:]] = library
	}
	below, err := r.layer(contents, "the shared libraries of streamq-proxy")
	if err != nil {
		return err
	}
	above, err := r.layer(map[string]string{imageBinary: r.binary()}, "streamq-proxy "+r.version)
	if err != nil {
		return err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.Append(image, below, above); err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	r.describe(file)
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: image,
		Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "linux", Architecture: r.arch},
			Annotations: map[string]string{"org.opencontainers.image.ref.name": r.version},
		},
	})
	if _, err := layout.Write(r.file("oci"), index); err != nil {
		return err
	}
	return r.archive(r.file("oci"), r.image())
}

func (r *release) image() string {
	return r.product("streamq-proxy-%s-linux-%s.oci.tar", r.version, r.arch)
}

// describe says how the image is run.
func (r *release) describe(file *v1.ConfigFile) {
	file.Architecture, file.OS, file.Created = r.arch, "linux", v1.Time{Time: r.made}
	file.Config = v1.Config{
		User:       imageUser,
		Entrypoint: []string{"/" + imageBinary},
		Cmd:        []string{"run", "--config", "/etc/streamq-proxy/config.yaml"},
		StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "streamq-proxy",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.source":   "https://github.com/streamq/streamq-proxy",
			"org.opencontainers.image.licenses": "MPL-2.0",
		},
	}
}

// layer has these files, and the directories that they are in.
func (r *release) layer(contents map[string]string, comment string) (mutate.Addendum, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	dirs := map[string]bool{".": true}
	names := make([]string, 0, len(contents))
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.addDirectories(w, path.Dir(name), dirs); err != nil {
			return mutate.Addendum{}, err
		}
		text, err := os.ReadFile(contents[name])
		if err != nil {
			return mutate.Addendum{}, err
		}
		if err := r.add(w, &tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}, bytes.NewReader(text)); err != nil {
			return mutate.Addendum{}, err
		}
	}
	if err := w.Close(); err != nil {
		return mutate.Addendum{}, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
	history := v1.History{Created: v1.Time{Time: r.made}, Comment: comment}
	return mutate.Addendum{Layer: layer, History: history}, err
}

func (r *release) addDirectories(w *tar.Writer, dir string, done map[string]bool) error {
	if done[dir] {
		return nil
	}
	if err := r.addDirectories(w, path.Dir(dir), done); err != nil {
		return err
	}
	done[dir] = true
	return r.add(w, &tar.Header{Name: dir + "/", Mode: 0o755, Typeflag: tar.TypeDir}, nil)
}

// add writes an entry of root's, made when the commit was.
func (r *release) add(w *tar.Writer, h *tar.Header, text io.Reader) error {
	h.ModTime, h.Format = r.made.Truncate(time.Second), tar.FormatUSTAR
	if err := w.WriteHeader(h); err != nil || text == nil {
		return err
	}
	_, err := io.Copy(w, text)
	return err
}

// archive writes a directory's files, in the order of their names, into one.
func (r *release) archive(dir, to string) (err error) {
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := tar.NewWriter(file)
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() {
			return r.add(w, &tar.Header{Name: name + "/", Mode: 0o755, Typeflag: tar.TypeDir}, nil)
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return r.add(w, &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}, bytes.NewReader(text))
	})
	return errors.Join(err, w.Close())
}
