package proxyproto

import (
	"bufio"
	"bytes"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	upstream "github.com/pires/go-proxyproto"
)

// FuzzParse holds that a verdict is final, that a header is bounded and took
// all that it says, that texts can be shown, and that the library, which reads
// all at once, agrees.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/recorded/*.txt")
	for _, file := range files {
		raw, _ := recording(f, file)
		f.Add(raw)
	}
	for _, s := range []string{"PROXY UNKNOWN\r\n", "\xff\x00", withChecksum(tlv(4, "\x00")), binaryHeader(0x20, 0x31, "x"), "GET /"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2*MaxLength)]
		before := bytes.Clone(b)
		h, verdict, err := Parse(b)
		if !bytes.Equal(before, b) {
			t.Fatal("the octets were changed")
		}
		expectFinal(t, b)
		expectSound(t, b, &h, verdict, err)
		expectAgreement(t, b, &h, verdict)
	})
}

// expectFinal feeds b octet by octet: a verdict that fell stays.
func expectFinal(t *testing.T, b []byte) {
	t.Helper()
	at, fell := len(b)+1, NeedMore
	step := max(1, len(b)/300) // a long one in larger steps
	for n := 0; n <= len(b); n += step {
		_, verdict, _ := Parse(b[:n])
		switch {
		case fell != NeedMore && verdict != fell:
			t.Fatalf("%v after %d octets, %v after %d", fell, at, verdict, n)
		case fell == NeedMore && verdict != NeedMore:
			at, fell = n, verdict
		}
	}
}

func expectSound(t *testing.T, b []byte, h *Header, verdict Verdict, err error) {
	t.Helper()
	switch verdict {
	case NeedMore:
		if len(b) >= MaxLength || err != nil || *h != (Header{}) {
			t.Fatalf("more than %d octets are wanted: %v", len(b), err)
		}
	case NotProxy:
		if begins(b, signature1) || begins(b, signature2) {
			t.Fatal("a header is taken for none")
		}
	case Refused:
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrChecksum) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Fatalf("error %q", err)
		}
	case Complete:
		texts := []string{h.UniqueID, h.Authority, h.ALPN, h.Namespace, h.Endpoint}
		if h.TLS != nil {
			texts = append(texts, h.TLS.Version, h.TLS.Cipher, h.TLS.CommonName)
		}
		for _, s := range texts {
			if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x1b\x00") {
				t.Fatalf("text %q", s)
			}
		}
		if h.Length > len(b) || h.Length > MaxLength || h.Local && h.Source.IsValid() || h.Source.IsValid() != h.Destination.IsValid() {
			t.Fatalf("%+v", h)
		}
	}
}

// expectAgreement compares with the library, where the two are meant to agree.
func expectAgreement(t *testing.T, b []byte, h *Header, verdict Verdict) {
	t.Helper()
	reader := bufio.NewReaderSize(bytes.NewReader(b), 4*MaxLength)
	_, _ = reader.Peek(1) // version 1 must be in the buffer
	read, err := upstream.Read(reader)
	if err != nil {
		// Taken by us alone: families that nginx mixes, PROXY without addresses, and what is larger than the library takes.
		alone := h.Version == 1 && h.Source.IsValid() || h.Version == 2 && (b[13] == 0 || h.Length > int(upstream.MaxV2HeaderSize))
		if verdict == Complete && !alone {
			t.Fatalf("the library refuses %q: %v", b, err)
		}
		return
	}
	if verdict != Complete {
		// Refused by us alone: what is in TLVs, and what is larger than ours.
		if verdict != Refused || read.Version != 2 {
			t.Fatalf("the library takes %q, the verdict is %v", b, verdict)
		}
		return
	}
	if taken := len(b) - reader.Buffered(); taken != h.Length || read.Command.IsLocal() != h.Local && b[13] != 0 {
		t.Fatalf("the library takes %d octets %+v, we %+v", taken, read, h)
	}
	source, destination, ok := read.IPs()
	if !ok || h.Local {
		return
	}
	from, _ := netip.AddrFromSlice(source)
	to, _ := netip.AddrFromSlice(destination)
	if h.Source.Addr() != from.Unmap() || h.Destination.Addr() != to.Unmap() {
		t.Fatalf("the library reads %+v, we %+v", read, h)
	}
}
