package control

import (
	"slices"
	"strings"
)

// Offer is what a shell can offer for an argument.
type Offer uint8

// The offers.
const (
	OfferNothing  Offer = iota // it may be anything
	OfferLiterals              // the words that are written in the verb's Args
	OfferPools
	OfferWorkers
	OfferWorkerList   // W1,W2,...
	OfferWorkerStates // of workers
	OfferPeerStates   // of clients and pairs
	OfferClients      // by identity, or by far end
	OfferIdentities
	OfferAnybody // clients, and identities without a connection
	OfferLogLevels
	OfferDoors         // identities, those that have a door among them
	OfferDoorEndpoints // of the door that the identity said before has, or where it could be
)

// offers are what the names of arguments mean, in all verbs: of those that have a
// place, and of options.
var offers = map[string]Offer{
	"IDENTITY": OfferIdentities, "IDENTITY|IP:PORT": OfferAnybody, "WHICH": OfferClients,
	"WORKER": OfferWorkers, "WORKER[,FALLBACK,...]": OfferWorkerList, "LEVEL": OfferLogLevels,

	"identity": OfferIdentities, "client": OfferClients, "worker": OfferWorkers, "prefer": OfferWorkerList,
	"pool": OfferPools, "state": OfferPeerStates,
}

// Completion is what a shell offers for an argument of one verb, in place of what the
// argument's name means in others.
type Completion struct {
	Arg   string // the argument's name, or an option's key
	After string // only where this was said before, "" for always
	Offer Offer
}

// Places are the arguments of a verb that are known by their place, the optional ones
// last, and the keys of its options.
func (v *Verb) Places() (places, options []string) {
	required, optional, options := v.words()
	return append(required, optional...), options
}

// Required says whether an argument that has a place cannot be left out.
func (v *Verb) Required(place string) bool {
	required, _, _ := v.words()
	return slices.Contains(required, place)
}

// Offer is what a shell can offer for an argument, by its name in Args or an option's
// key, when said came before it.
func (v *Verb) Offer(arg string, said []string) Offer {
	for _, c := range v.Completes {
		if c.Arg == arg && (c.After == "" || slices.Contains(said, c.After)) {
			return c.Offer
		}
	}
	if places, _ := v.Places(); slices.Contains(places, arg) && Literals(arg) != nil {
		return OfferLiterals
	}
	return offers[arg]
}

// Literals are the words of which an argument with a place of that name is one, nil when it may
// be anything else.
func Literals(place string) []string {
	if strings.ToLower(place) != place {
		return nil
	}
	return strings.Split(place, "|")
}
