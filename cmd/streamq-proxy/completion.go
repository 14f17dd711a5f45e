//go:build linux && cgo

package main

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// completion is the search for the word that comes next.
type completion struct {
	ctx   context.Context
	proxy *client.Client
	verb  *control.Verb
	said  []string // after the verb
}

// words are what can stand in the place of what was typed.
func (c *completion) words(typed string) []string {
	places, options := c.verb.Places()
	said := 0 // arguments that are known by their place
	for _, s := range c.said {
		if key, _, isOption := strings.Cut(s, "="); !isOption || !slices.Contains(options, key) {
			said++
		}
	}
	var left []string
	switch {
	case said >= len(places):
	case c.verb.Required(places[said]):
		return begunBy(typed, c.offered(places[said], typed))
	default:
		left = c.offered(places[said], typed)
	}
	if key, value, isOption := strings.Cut(typed, "="); isOption && slices.Contains(options, key) {
		return begunBy(typed, prefixed(key+"=", c.offered(key, value)))
	}
	for _, key := range options {
		if c.option(key) == "" {
			left = append(left, key+"=")
		}
	}
	return begunBy(typed, left)
}

// offered are the words for an argument.
func (c *completion) offered(arg, typed string) []string {
	switch c.verb.Offer(arg, c.said) {
	case control.OfferLiterals:
		return control.Literals(arg)
	case control.OfferPools:
		return c.pools()
	case control.OfferWorkers:
		return c.workers()
	case control.OfferWorkerList:
		return listed(typed, c.workers())
	case control.OfferWorkerStates:
		return pairing.StateNames()
	case control.OfferPeerStates:
		return pairing.PeerStateNames()
	case control.OfferClients:
		return c.clients()
	case control.OfferIdentities:
		return c.identities()
	case control.OfferAnybody:
		return unique(append(c.clients(), c.identities()...))
	case control.OfferLogLevels:
		return control.LogLevels()
	case control.OfferDoors:
		return unique(append(c.doors(), c.identities()...))
	case control.OfferDoorEndpoints:
		return c.doorEndpoints(c.said[0])
	}
	return nil
}

// option is what was said of one, "" for nothing.
func (c *completion) option(key string) string {
	for _, s := range c.said {
		if value, is := strings.CutPrefix(s, key+"="); is {
			return value
		}
	}
	return ""
}

// pools are all of them.
func (c *completion) pools() (names []string) {
	all, _ := c.proxy.Pools(c.ctx) // of none if it fails
	for _, p := range all {
		names = append(names, p.Pool)
	}
	return names
}

// each gathers words of the pool that was said, or of all.
func (c *completion) each(words func(*client.Pool) []string) (all []string) {
	pools := c.pools()
	if said := c.option("pool"); said != "" {
		pools = []string{said}
	}
	for _, p := range pools {
		for _, w := range words(c.proxy.Pool(p)) {
			if !slices.Contains(all, w) && len(all) < mostOffered {
				all = append(all, w)
			}
		}
	}
	return all
}

func (c *completion) workers() []string {
	return c.each(func(p *client.Pool) []string {
		return offers(p.Workers(c.ctx, client.Filter{}), func(w wire.WorkerInfo) string { return w.Worker })
	})
}

// identities are those of clients and those that something is held of.
func (c *completion) identities() []string {
	return c.each(func(p *client.Pool) []string {
		return append(
			offers(p.Clients(c.ctx, client.Filter{}), func(i wire.ClientInfo) string { return i.Identity }),
			offers(p.Hints(c.ctx, ""), func(h wire.HintInfo) string { return h.Identity })...)
	})
}

// doors are the identities that have a door.
func (c *completion) doors() []string {
	return c.each(func(p *client.Pool) (all []string) {
		open, _ := p.Doors(c.ctx) // of none if it fails
		for _, d := range open.Doors {
			all = append(all, d.Identity)
		}
		return all
	})
}

// doorEndpoints are where an identity has a door, or else the frontends, with a port that the
// system chooses.
func (c *completion) doorEndpoints(identity string) []string {
	all := c.each(func(p *client.Pool) (at []string) {
		open, _ := p.Doors(c.ctx)
		for _, d := range open.Doors {
			if d.Identity == identity {
				at = append(at, d.Endpoints...)
			}
		}
		return at
	})
	if len(all) > 0 {
		return all
	}
	pools, _ := c.proxy.Pools(c.ctx)
	for _, p := range pools {
		if said := c.option("pool"); said != "" && said != p.Pool {
			continue
		}
		for _, text := range p.Frontend {
			ep, err := endpoint.Parse(text)
			if ep.Port = 0; err == nil && ep.Addressed() && !slices.Contains(all, ep.String()) {
				all = append(all, ep.String())
			}
		}
	}
	return all
}

// clients are their identities, and the far ends of those that have none.
func (c *completion) clients() []string {
	return c.each(func(p *client.Pool) []string {
		return offers(p.Clients(c.ctx, client.Filter{}), func(i wire.ClientInfo) string {
			if i.Identity == "" {
				return i.Client
			}
			return i.Identity
		})
	})
}

// listed are the words that can be the last of a list W1,W2,... with those before it.
func listed(typed string, words []string) []string {
	before := typed[:strings.LastIndex(typed, ",")+1]
	said := strings.Split(before, ",")
	return prefixed(before, slices.DeleteFunc(words, func(w string) bool { return slices.Contains(said, w) }))
}

func unique(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

func prefixed(prefix string, words []string) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = prefix + w
	}
	return all
}

func begunBy(typed string, words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, typed) })
}

// mostOffered bounds what a shell is given, and what a list is read for it.
const (
	mostOffered = 100
	mostRead    = 10_000
)

// offers are the words of a list, without blanks and repetitions. Of a list that
// fails they are what came before.
func offers[T any](list iter.Seq2[T, error], word func(T) string) (words []string) {
	read := 0
	for one, err := range list {
		if read++; err != nil || read > mostRead || len(words) == mostOffered {
			break
		}
		if w := word(one); w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}
