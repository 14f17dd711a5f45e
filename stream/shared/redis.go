package shared

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// cacheFor bounds how long an answer is kept here without the store having said that it is
	// out of date. A connection that breaks takes what came by it along. Of what lives longer
	// no more of its time is known ([Value.Left]).
	cacheFor = 2 * time.Hour
	// cacheBytes and bufferBytes bound the memory of a connection to the store, of which there is one
	// (to each node of a cluster).
	cacheBytes  = 8 << 20
	bufferBytes = 64 << 10
	// refreshEvery is how often Sentinel, or a cluster, is asked who is what.
	refreshEvery = 5 * time.Second
)

// Redis is the [Dial] of a server. A cluster is known by its answers.
func Redis(server Server) Dial {
	return func(context.Context) (Backend, error) {
		from := new(atomic.Pointer[string])
		option, err := server.option(func(c net.Conn) {
			if host, _, err := net.SplitHostPort(c.LocalAddr().String()); err == nil {
				from.Store(&host)
			}
		})
		if err != nil {
			return nil, err
		}
		changed := new(atomic.Pointer[func(keys []string)])
		option.OnInvalidations = func(messages []rueidis.RedisMessage) {
			if told := changed.Load(); told != nil {
				(*told)(keysOf(messages))
			}
		}
		client, err := rueidis.NewClient(option)
		if err != nil {
			return nil, err
		}
		return redis{client, from, changed}, nil
	}
}

// last is the place behind the last byte that a value may have.
const last = int64(wordMax)

type redis struct {
	client  rueidis.Client
	from    *atomic.Pointer[string] // this side's address, nil for none
	changed *atomic.Pointer[func(keys []string)]
}

// Get reads by GETRANGE, which bounds what somebody else may have written there. To it a key that
// is not there is an empty one.
func (r redis) Get(ctx context.Context, keys []string) ([]Value, error) {
	asks := make([]rueidis.CacheableTTL, len(keys))
	for i, key := range keys {
		asks[i] = rueidis.CT(r.client.B().Getrange().Key(key).Start(0).End(last).Cache(), cacheFor)
	}
	answers := r.client.DoMultiCache(ctx, asks...)
	for i := range answers {
		// What is to be kept is asked for in a transaction, and a server that is full takes none.
		if begins(answers[i].Error(), "EXECABORT ", "OOM ") {
			answers = r.readPlainly(ctx, keys, last)
			break
		}
	}
	return valuesOf(answers)
}

func (r redis) Watch(changed func(keys []string)) { r.changed.Store(&changed) }

// keysOf are those that the store says have changed, nil for all.
func keysOf(messages []rueidis.RedisMessage) (keys []string) {
	for i := range messages {
		if key, err := messages[i].ToString(); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func (r redis) Look(ctx context.Context, keys []string, most int) ([]Value, error) {
	return valuesOf(r.readPlainly(ctx, keys, int64(most)))
}

// LookAlong asks all at once, which is one way there and back. What changes between a value and its
// time has changed just after it was read.
func (r redis) LookAlong(ctx context.Context, keys, along []string, most int) (values, others []Value, err error) {
	commands := r.readings(slices.Concat(keys, along), int64(most))
	for _, key := range along {
		commands = append(commands, r.client.B().Pttl().Key(key).Build())
	}
	answers := r.client.DoMulti(ctx, commands...)
	all := len(keys) + len(along)
	if values, err = valuesOf(answers[:all]); err != nil {
		return nil, nil, err
	}
	values, others = values[:len(keys)], values[len(keys):]
	for i, answer := range answers[all:] {
		if left, err := answer.AsInt64(); err == nil && left > 0 {
			others[i].Left = time.Duration(left) * time.Millisecond
		}
	}
	return values, others, nil
}

// valuesOf are the answers to GETRANGE.
func valuesOf(answers []rueidis.RedisResult) ([]Value, error) {
	values := make([]Value, len(answers))
	for i, answer := range answers {
		text, err := answer.ToString()
		switch err := classify(err); {
		case errors.Is(err, ErrRefused), errors.Is(err, ErrFull):
			values[i].Err = err
		case err != nil:
			return nil, err
		default:
			values[i] = Value{Text: text, Found: text != "", Left: time.Duration(answer.CachePTTL()) * time.Millisecond}
		}
	}
	return values, nil
}

func (r redis) readPlainly(ctx context.Context, keys []string, last int64) []rueidis.RedisResult {
	return r.client.DoMulti(ctx, r.readings(keys, last)...)
}

func (r redis) readings(keys []string, last int64) rueidis.Commands {
	commands := make(rueidis.Commands, len(keys))
	for i, key := range keys {
		commands[i] = r.client.B().Getrange().Key(key).Start(0).End(last).Build()
	}
	return commands
}

// Take is not bounded by the server, but by the guard.
func (r redis) Take(ctx context.Context, keys []string) ([]Value, error) {
	commands := make(rueidis.Commands, len(keys))
	for i, key := range keys {
		commands[i] = r.client.B().Getdel().Key(key).Build()
	}
	return valuesOf(r.client.DoMulti(ctx, commands...))
}

// Set replaces what somebody else has put there that is no text: it would stay for as long as it is written to.
func (r redis) Set(ctx context.Context, writes []Write) []error {
	errs := r.set(ctx, writes)
	for i, err := range errs {
		if errors.Is(err, errAlien) {
			errs[i] = r.replace(ctx, writes[i].Key, func() error { return r.set(ctx, writes[i:i+1])[0] })
		}
	}
	return errs
}

// replace does what a key refused that has something of another type, which is gone then.
func (r redis) replace(ctx context.Context, key string, do func() error) error {
	if err := r.client.Do(ctx, r.client.B().Del().Key(key).Build()).Error(); err != nil {
		return classify(err)
	}
	return do()
}

// set reads what was there already by GETRANGE, as Get does: SET with GET tells all of it, and the guard ends the
// connection where that is too much, again with each try.
func (r redis) set(ctx context.Context, writes []Write) []error {
	commands := make(rueidis.Commands, 0, len(writes))
	for _, w := range writes {
		set := r.client.B().Set().Key(w.Key).Value(w.Text)
		switch {
		case w.TTL == 0:
			commands = append(commands, r.client.B().Del().Key(w.Key).Build())
		case w.First, w.Renew:
			commands = append(commands, set.Nx().Px(w.TTL).Build(),
				r.client.B().Pexpire().Key(w.Key).Milliseconds(w.TTL.Milliseconds()).Build(),
				r.client.B().Getrange().Key(w.Key).Start(0).End(nameMax).Build())
		default:
			commands = append(commands, set.Px(w.TTL).Build())
		}
	}
	answers := r.client.DoMulti(ctx, commands...)
	errs := make([]error, len(writes))
	for i, w := range writes {
		set := answers[0]
		errs[i], answers = classify(set.Error()), answers[1:]
		if w.TTL == 0 || !w.First && !w.Renew {
			continue
		}
		errs[i] = errors.Join(errs[i], classify(answers[0].Error()), classify(answers[1].Error()))
		if is, _ := answers[1].ToString(); errs[i] == nil && w.First && rueidis.IsRedisNil(set.Error()) && is != w.Text {
			errs[i] = &OtherError{is}
		}
		answers = answers[2:]
	}
	return errs
}

func (r redis) Beat(ctx context.Context, w Write) (was bool, err error) {
	beat := func() error {
		err := r.client.Do(ctx, r.client.B().Set().Key(w.Key).Value(w.Text).Get().Px(w.TTL).Build()).Error()
		was = err == nil
		return classify(err)
	}
	if err = beat(); errors.Is(err, errAlien) {
		err = r.replace(ctx, w.Key, beat)
	}
	return was, err
}

func (r redis) Enrol(ctx context.Context, list, name string, ttl time.Duration) error {
	err := r.enrol(ctx, list, name, ttl)
	if errors.Is(err, errAlien) {
		err = r.replace(ctx, list, func() error { return r.enrol(ctx, list, name, ttl) })
	}
	return err
}

// enrol goes by the clock of whoever puts a name there, and has those of a far future be gone, too: they would stay, before all others.
func (r redis) enrol(ctx context.Context, list, name string, ttl time.Duration) error {
	now := time.Now()
	answers := r.client.DoMulti(ctx,
		r.client.B().Zadd().Key(list).ScoreMember().ScoreMember(float64(now.Unix()), name).Build(),
		r.client.B().Zremrangebyscore().Key(list).Min("-inf").Max(strconv.FormatInt(now.Add(-ttl).Unix(), 10)).Build(),
		r.client.B().Zremrangebyscore().Key(list).Min(strconv.FormatInt(now.Add(ttl).Unix(), 10)).Max("+inf").Build(),
		r.client.B().Pexpire().Key(list).Milliseconds(ttl.Milliseconds()).Build(),
	)
	for _, answer := range answers {
		if err := classify(answer.Error()); err != nil {
			return err
		}
	}
	return nil
}

func (r redis) Enrolled(ctx context.Context, list string, most int) ([]string, error) {
	names, err := r.client.Do(ctx, r.client.B().Zrange().Key(list).Min("0").Max(strconv.Itoa(most-1)).Rev().Build()).AsStrSlice()
	return names[:min(len(names), most)], classify(err) // whatever it is that answers
}

func (r redis) Address() string {
	if from := r.from.Load(); from != nil {
		return *from
	}
	return ""
}

func (r redis) Close() { r.client.Close() }

// full are the words with which a store says that it takes no writes for now.
var full = []string{"OOM ", "READONLY ", "MISCONF ", "NOREPLICAS "}

// absent are those with which it says that it can answer nothing for now.
var absent = []string{"LOADING ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "BUSY ", "NOAUTH ", "UNBLOCKED ", "MOVED ", "ASK "}

// classify has an error say what it means: nil where the store has only said that there is nothing.
func classify(err error) error {
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return err
	}
	switch {
	case begins(err, full...):
		return fmt.Errorf("%w: %s", ErrFull, answer.Error())
	case begins(err, absent...):
		return err
	case begins(err, "WRONGTYPE "):
		return errAlien
	}
	return fmt.Errorf("%w: %s", ErrRefused, answer.Error())
}

// begins says whether an error is the store's, and begins with one of these words.
func begins(err error, words ...string) bool {
	answer, ok := rueidis.IsRedisErr(err)
	return ok && slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(answer.Error(), w) })
}
