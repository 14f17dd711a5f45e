package proxyproto

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	upstream "github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// maxText bounds each text of a [Header], in octets.
const maxText = 256

// take keeps what the known ones of the TLVs say. An unknown one must be ignored.
func (h *Header) take(tlvs []upstream.TLV) error {
	for _, t := range tlvs {
		switch t.Type {
		case upstream.PP2_TYPE_ALPN:
			h.ALPN = text(t.Value)
		case upstream.PP2_TYPE_AUTHORITY:
			h.Authority = text(t.Value)
		case upstream.PP2_TYPE_NETNS:
			h.Namespace = text(t.Value)
		case upstream.PP2_TYPE_UNIQUE_ID:
			if h.UniqueID = text(t.Value); h.UniqueID != string(t.Value) {
				h.UniqueID = hex.EncodeToString(t.Value[:min(len(t.Value), maxText/2)])
			}
		case upstream.PP2_TYPE_SSL:
			var err error
			if h.TLS, err = readTLS(t.Value); err != nil {
				return err
			}
		}
	}
	if id := tlvparse.FindAWSVPCEndpointID(tlvs); id != "" {
		h.Endpoint = text([]byte(id))
	} else if id, ok := tlvparse.FindAzurePrivateEndpointLinkID(tlvs); ok {
		h.Endpoint = strconv.FormatUint(uint64(id), 10)
	} else if id, ok := tlvparse.ExtractPSCConnectionID(tlvs); ok {
		h.Endpoint = strconv.FormatUint(id, 10)
	}
	return nil
}

// readTLS reads the SSL TLV: an octet of flags, four of the verification's
// result, and TLVs of its own. The library's reader refuses all of it for one
// text that is not as it should be; here that text is missing.
func readTLS(b []byte) (*TLS, error) {
	const head = 5
	if len(b) < head {
		return nil, fmt.Errorf("%w: an SSL TLV of %d octets", ErrMalformed, len(b))
	}
	if b[0]&tlvparse.PP2_BITFIELD_CLIENT_SSL == 0 {
		return nil, nil
	}
	inner, err := upstream.SplitTLVs(b[head:])
	if err != nil {
		return nil, fmt.Errorf("%w: in the SSL TLV: %w", ErrMalformed, err)
	}
	t := &TLS{Certificate: b[0]&(tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN|tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS) != 0}
	t.Verified = t.Certificate && binary.BigEndian.Uint32(b[1:head]) == 0
	for _, i := range inner {
		switch i.Type {
		case upstream.PP2_SUBTYPE_SSL_VERSION:
			t.Version = text(i.Value)
		case upstream.PP2_SUBTYPE_SSL_CIPHER:
			t.Cipher = text(i.Value)
		case upstream.PP2_SUBTYPE_SSL_CN:
			t.CommonName = text(i.Value)
		}
	}
	return t, nil
}

// text is b as something that can be shown: bounded, and without what is no
// printable UTF-8.
func text(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(b[:min(len(b), maxText)]))
}

// checkChecksum verifies the CRC32c of a whole header b whose TLVs begin at
// tlvs, if it has one: it is that of the header with zeros in its place.
func checkChecksum(b []byte, tlvs int) error {
	for at := tlvs; at+3 <= len(b); {
		length := int(binary.BigEndian.Uint16(b[at+1:]))
		value := at + 3
		at = value + length
		if at > len(b) || upstream.PP2Type(b[value-3]) != upstream.PP2_TYPE_CRC32C {
			continue
		}
		if length != crc32.Size {
			return fmt.Errorf("%w: a CRC32c of %d octets", ErrMalformed, length)
		}
		table := crc32.MakeTable(crc32.Castagnoli)
		sum := crc32.Update(0, table, b[:value])
		sum = crc32.Update(sum, table, make([]byte, crc32.Size))
		sum = crc32.Update(sum, table, b[at:])
		if sent := binary.BigEndian.Uint32(b[value:]); sent != sum {
			return fmt.Errorf("%w: %08x, not %08x", ErrChecksum, sent, sum)
		}
	}
	return nil
}
