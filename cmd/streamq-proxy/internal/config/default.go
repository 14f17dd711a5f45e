package config

import (
	"fmt"
	"strconv"

	"github.com/streamq/streamq-proxy/stream"
)

// PoolDefaults are the values of a pool in which nothing is said, as they would
// be written.
func PoolDefaults() Pool {
	d := stream.DefaultConfig()
	return Pool{
		Policy:            d.Pairing.Policy.String(),
		Relay:             d.Relay.String(),
		QueueMax:          strconv.Itoa(d.Pairing.QueueMax),
		QueueTimeout:      d.Pairing.QueueTimeout.String(),
		NoWorkerWait:      d.NoWorkerWait.String(),
		DoorMax:           strconv.Itoa(d.DoorMax),
		MaxClients:        strconv.Itoa(d.Pairing.MaxClients),
		MaxPerAddress:     strconv.Itoa(d.Pairing.MaxPerAddress),
		HandshakeTimeout:  d.Pairing.HandshakeTimeout.String(),
		ConnectTimeout:    d.ConnectTimeout.String(),
		SlotMaxAge:        d.Pairing.SlotMaxAge.String(),
		SlotLostAfter:     d.Pairing.SlotLostAfter.String(),
		PairBuffer:        fmt.Sprintf("%dMiB", d.PairBuffer>>20),
		KeepAliveIdle:     d.KeepAlive.Idle.String(),
		KeepAliveInterval: d.KeepAlive.Interval.String(),
		KeepAliveCount:    strconv.Itoa(d.KeepAlive.Count),
		UserTimeout:       d.UserTimeout.String(),
		AffinityMax:       strconv.Itoa(d.Pairing.AffinityMax),
		AffinityMaxLoad:   strconv.FormatFloat(d.Pairing.AffinityMaxLoad, 'g', -1, 64),
		AffinityTTL:       d.Pairing.AffinityTTL.String(),
		HintMax:           strconv.Itoa(d.Pairing.HintMax),
		HintTTL:           d.Pairing.HintTTL.String(),
		HintMaxPerAddress: strconv.Itoa(d.Pairing.SourceMax),
		FinishTimeout:     d.Pairing.FinishTimeout.String(),
		RetryMin:          d.Pairing.RetryMin.String(),
		RetryMax:          d.Pairing.RetryMax.String(),
		SlowStart:         d.Pairing.SlowStart.String(),
		Failback:          d.Pairing.Failback.String(),
	}
}
