package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Cert is a CURVE certificate in czmq's format (zcert(3), ZPL: RFC 4), which
// czmq, pyzmq and `streamq-proxy keygen --cert` write.
type Cert struct {
	Public, Secret string // 40 characters of Z85 each; Secret is "" in a public one
	// Level is what the metadata "level" says, Peer if nothing; Name likewise,
	// the file's name if nothing.
	Level Level
	Name  string
}

// maxCert bounds a certificate's file, in bytes.
const maxCert = 64 << 10

// CertError is why a file is no certificate, or none of the kind that is needed.
type CertError struct {
	File string
	Err  error // one line; of the system when the file cannot be read
}

// Error is the file and the reason.
func (e *CertError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap is the reason.
func (e *CertError) Unwrap() error { return e.Err }

// ReadCert reads a certificate. Every error is a [*CertError].
func ReadCert(file string) (Cert, error) {
	c, err := readCert(file)
	if err != nil {
		var system *fs.PathError // has the file's name, too
		if errors.As(err, &system) {
			err = system.Err
		}
		return Cert{}, &CertError{File: file, Err: err}
	}
	if c.Name == "" {
		c.Name = filepath.Base(file)
	}
	return c, nil
}

// ReadSecretCert reads a certificate that has a secret key. Every error is a [*CertError].
func ReadSecretCert(file string) (Cert, error) {
	c, err := ReadCert(file)
	if err == nil && c.Secret == "" {
		return Cert{}, &CertError{File: file, Err: errors.New("has no secret-key")}
	}
	return c, err
}

func readCert(file string) (Cert, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Cert{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxCert {
		return Cert{}, errors.New("is no certificate")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Cert{}, err
	}
	return parseCert(string(text))
}

// parseCert reads the sections metadata and curve; others do not matter.
func parseCert(text string) (c Cert, err error) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		body := strings.TrimSpace(line)
		if body == "" || body[0] == '#' {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			section = body
			continue
		}
		key, value, _ := strings.Cut(body, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`)
		switch section + "/" + key {
		case "metadata/name":
			c.Name = value
		case "metadata/level":
			if c.Level, err = ParseLevel(value); err != nil {
				return c, err
			}
		case "curve/public-key":
			c.Public = value
		case "curve/secret-key":
			c.Secret = value
		}
	}
	if !isKey(c.Public) || c.Secret != "" && !isKey(c.Secret) {
		return c, errors.New("has no public-key of 40 characters of Z85")
	}
	return c, nil
}

// isKey says whether s is 32 bytes in Z85 (RFC 32).
func isKey(s string) bool {
	const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
	return len(s) == 40 && strings.Trim(s, z85) == ""
}

// Text is the certificate as a file, with the secret key if it has one.
func (c Cert) Text() string {
	var b strings.Builder
	b.WriteString("#   CURVE certificate (zcert)\nmetadata\n")
	fmt.Fprintf(&b, "    name = \"%s\"\n    level = \"%s\"\ncurve\n    public-key = \"%s\"\n", c.Name, c.Level, c.Public)
	if c.Secret != "" {
		fmt.Fprintf(&b, "    secret-key = \"%s\"\n", c.Secret)
	}
	return b.String()
}
