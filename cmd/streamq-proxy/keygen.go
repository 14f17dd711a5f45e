package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/pebbe/zmq4"
	"github.com/spf13/cobra"
)

// keypair is a CURVE key pair, each key 40 characters of Z85 (32/Z85).
type keypair struct {
	Public string `json:"public"`
	Secret string `json:"secret"`
}

func newKeygenCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "make a CURVE key pair for a client or a worker; the proxy itself needs none",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			public, secret, err := zmq4.NewCurveKeypair()
			if err != nil {
				return fmt.Errorf("libzmq cannot make keys (was it built without CURVE?): %w", err)
			}
			return keypair{public, secret}.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
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
