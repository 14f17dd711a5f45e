package shared

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Backend is a store of keys that expire. It may be slow, gone, or tell nonsense. Its methods may be
// called by several goroutines; they end when ctx does.
type Backend interface {
	// Get reads keys. The error says that the store has not answered; what is odd about one key is
	// an error of its [Value].
	Get(ctx context.Context, keys []string) ([]Value, error)
	// Watch has changed be told which keys have changed that Get has read, nil for all of them, from now on. It does not wait.
	Watch(changed func(keys []string))
	// Look reads keys likewise, up to so many bytes of each; nothing of it is kept here.
	Look(ctx context.Context, keys []string, most int) ([]Value, error)
	// LookAlong is Look of keys, and of others along with them, of which it also says when they expire.
	LookAlong(ctx context.Context, keys, along []string, most int) (values, others []Value, err error)
	// Take reads keys likewise, and has them be gone: of several who take one, one has it.
	Take(ctx context.Context, keys []string) ([]Value, error)
	// Set writes, and says of each write how it went: nil, [ErrFull], [ErrRefused], an [OtherError], or
	// that the store has not answered.
	Set(ctx context.Context, writes []Write) []error
	// Beat writes a key, and says whether it was there.
	Beat(ctx context.Context, w Write) (was bool, err error)
	// Enrol has a name be on a list, until others are put there ttl later.
	Enrol(ctx context.Context, list, name string, ttl time.Duration) error
	// Enrolled are names of a list, those that were put there last, the latest first.
	Enrolled(ctx context.Context, list string, most int) ([]string, error)
	// Address is this side's of the connection, "" if it has none.
	Address() string
	// Close lets go of the store. It may take a second when that does not answer.
	Close()
}

// Dial makes a Backend, which has answered.
type Dial func(ctx context.Context) (Backend, error)

// Value is what a key has.
type Value struct {
	Text  string
	Found bool
	Left  time.Duration // until it expires, 0 if that is not known
	Err   error         // it cannot be read
}

// Write is a key that is to be there for a time, or with a TTL of 0 to be gone.
type Write struct {
	Key, Text string
	TTL       time.Duration
	// First: it is written only if it is not there, and kept for so long; if there is something else
	// an [OtherError] says what.
	First bool
	// Renew: it is written only if it is not there; else it is kept for so long.
	Renew bool
}

// OtherError is of a write that is for the first only: another has been before.
type OtherError struct{ Text string }

func (*OtherError) Error() string { return "something else is there" }

// Errors of a store that answers.
var (
	// ErrFull: it takes no writes for now, because its memory is used up, or it is a replica.
	ErrFull = errors.New("it is full, or a replica")
	// ErrRefused: it does not take this one, and will not.
	ErrRefused = errors.New("the store has refused")
	// errAlien: what is there is of another type than what a proxy writes.
	errAlien = fmt.Errorf("%w: the key has a value of another type", ErrRefused)
)
