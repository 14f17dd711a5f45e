package control

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// tlv is one of a PROXY header of version 2.
func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// tlsHeader is that of 192.0.2.1:4000, whose TLS the balancer has ended.
func tlsHeader() []byte {
	tls := "\x03\x00\x00\x00\x00" + tlv(0x21, "TLSv1.3") + tlv(0x22, "ann.example") + tlv(0x23, "TLS_AES_256_GCM_SHA384")
	body := "\xc0\x00\x02\x01\xc6\x33\x64\x01\x0f\xa0\x15\xb3" + tlv(0x05, "req-7") + tlv(0x20, tls)
	head := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11")
	return append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...)
}

// WHOIS and EXPLAIN tell who has connected for a client, and what its header says of TLS.
func TestBalancerIsTold(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Config, pool *stream.Config) {
		if err := pool.ProxySenders.Add("127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	})
	c := r.dialAs(r.server.Bound()[0], nil)
	frontend, backend := r.pool.Bound()
	worker := r.connectFrom("127.0.0.1:0", backend)
	r.follow(worker)
	greet(t, worker)
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	client := r.connectFrom("127.0.0.1:0", frontend)
	if _, err := client.Write(tlsHeader()); err != nil {
		t.Fatal(err)
	}
	greet(t, client)
	eventually(t, "the pair is open", func() bool { return r.snapshot().Stats.Open == 1 })
	want := &wire.Balancer{
		Endpoint: client.LocalAddr().String(), UniqueID: "req-7",
		TLS: &wire.TLS{Version: "TLSv1.3", Cipher: "TLS_AES_256_GCM_SHA384", Name: "ann.example", Verified: true},
	}
	k, err := c.Whois(r.context(), worker.LocalAddr().String(), "")
	if diff := cmp.Diff(want, k.Balancer); err != nil || diff != "" || k.Client != "192.0.2.1:4000" {
		t.Errorf("WHOIS: %+v %v\n%s", k, err, diff)
	}
	x, err := c.Pool("").Explain(r.context(), "192.0.2.1:4000")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, x.Balancer); diff != "" {
		t.Errorf("EXPLAIN: %s", diff)
	}
}
