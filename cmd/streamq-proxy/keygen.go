//go:build linux && cgo

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream/libzmq"
)

// keypair is a CURVE key pair, each key 40 characters of Z85 (32/Z85).
type keypair struct {
	Public string `json:"public"`
	Secret string `json:"secret"`
}

func newKeygenCommand() *cobra.Command {
	var asJSON bool
	var cert, level string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "make a CURVE key pair for a client or a worker, or for the control socket",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			public, secret, err := libzmq.NewKeypair()
			if err != nil {
				return err
			}
			if cert != "" {
				return writeCert(cmd.OutOrStdout(), cert, level, keypair{public, secret})
			}
			return keypair{public, secret}.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.Flags().StringVar(&cert, "cert", "", "write a certificate for the control socket instead: `FILE`, public, and FILE_secret")
	takeFiles(cmd, "cert")
	cmd.Flags().StringVar(&level, "level", "peer", "with --cert: what its owner may say to a control socket, peer or operator")
	return cmd
}

// print writes two lines that a shell and Python both take as they are: Z85 has
// no quotes and no backslash.
func (k keypair) print(w io.Writer, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintf(w, "CURVE_PUBLIC='%s'\nCURVE_SECRET='%s'\n", k.Public, k.Secret)
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // Z85 has < > and &
	return e.Encode(k)
}

// writeCert writes the two files of a certificate, as czmq does. Neither may exist;
// their directory is made when it does not.
func writeCert(to io.Writer, file, level string, k keypair) error {
	l, err := wire.ParseLevel(level)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	c := wire.Cert{Public: k.Public, Secret: k.Secret, Level: l, Name: filepath.Base(file)}
	if err := writeNew(file+"_secret", c.Text(), 0o600); err != nil {
		return err
	}
	c.Secret = ""
	if err := writeNew(file, c.Text(), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "%s\n%s_secret\n", file, file)
	return err
}

func writeNew(file, text string, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
