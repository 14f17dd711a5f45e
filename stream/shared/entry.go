package shared

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamq/streamq-proxy/pairing"
)

// Space is whose keys they are.
type Space string

// OfPool and OfGroup are the spaces of a pool, and of pools that remember together. Names
// are escaped, so that no two spaces share a key.
func OfPool(name string) Space { return Space("p:" + url.QueryEscape(name)) }

// OfGroup is likewise.
func OfGroup(name string) Space { return Space("g:" + url.QueryEscape(name)) }

// maxName bounds the names in keys, in bytes: a longer one is there by its digest.
const maxName = 128

// maxWorker bounds the name of a worker in a value, in bytes.
const maxWorker = 255

// key of somebody's last worker.
func (s Space) key(prefix string, who pairing.Who) string {
	kind := "i"
	if who.ByAddress {
		kind = "a"
	}
	return s.named(prefix, kind, who.Name)
}

// named is a key of something of a kind that has a name.
func (s Space) named(prefix, kind, name string) string {
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(name))
		kind, name = strings.ToUpper(kind), hex.EncodeToString(sum[:])
	}
	return prefix + ":" + string(s) + ":" + kind + ":" + name
}

// version of values. Who finds another one does not know what it means.
const version = "1 "

// errNonsense is of a value that this package cannot have written.
var errNonsense = errors.New("the store has said what no proxy writes")

// encode writes a worker's name, "" for none.
func encode(worker string) (text string, ok bool) {
	return version + worker, readable(worker)
}

// decode reads what encode has written, and refuses all else.
func decode(text string) (pairing.Recollection, error) {
	worker, ok := strings.CutPrefix(text, version)
	if !ok || !readable(worker) {
		return pairing.Recollection{}, errNonsense
	}
	return pairing.Recollection{Worker: worker, Known: true}, nil
}

// encodeJSON writes names and numbers.
func encodeJSON(v any) string {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // it would make some names six times as long
	if err := e.Encode(v); err != nil {
		panic("shared: names and numbers cannot be written as JSON: " + err.Error())
	}
	return version + strings.TrimSuffix(text.String(), "\n")
}

// decodeJSON reads what encodeJSON has written of v's kind, if it is not longer than most.
func decodeJSON(text string, most int, v any) error {
	body, ok := strings.CutPrefix(text, version)
	if !ok || len(text) > most || !utf8.ValidString(text) {
		return errNonsense
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errNonsense
	}
	if _, err := d.Token(); err != io.EOF {
		return errNonsense
	}
	return nil
}

// readable says whether a worker's name may be in a value.
func readable(worker string) bool {
	if len(worker) > maxWorker || !utf8.ValidString(worker) {
		return false
	}
	for _, r := range worker {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
