package console

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/streamq/streamq-proxy/control/wire"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"shown": shown, "lines": lines, "age": age, "bytes": size, "count": count, "took": took, "percent": percent, "since": since, "seconds": seconds, "explain": explainLink,
}

// explainLink leads to the page of a client.
func explainLink(pool, who string) string {
	return "pair?" + url.Values{"pool": {pool}, "who": {who}}.Encode()
}

// shown is what a peer said, as text that cannot pretend to be something else: what is
// not printed, what changes the direction of writing among it, is shown by its number.
func shown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// lines is shown of each line of a text.
func lines(s string) string {
	all := strings.Split(s, "\n")
	for i := range all {
		all[i] = shown(all[i])
	}
	return strings.Join(all, "\n")
}

// seconds are a span of the API's in Go's own.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// age is a duration in its two largest units.
func age(s wire.Seconds) string {
	d := s.Duration()
	switch {
	case d < time.Minute:
		return d.Truncate(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd %02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// since is a time of the day.
func since(t time.Time) string { return t.Format("15:04:05") }

// took is a short span, in seconds, to three digits.
func took(s float64) string {
	switch {
	case s == 0:
		return "–"
	case s < 1e-3:
		return short(s*1e6) + " µs"
	case s < 1:
		return short(s*1e3) + " ms"
	}
	return short(s) + " s"
}

func short(f float64) string {
	switch {
	case f >= 100 || f == math.Trunc(f):
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// size is a number of bytes, whole or a second.
func size(n any) string {
	f := number(n)
	for _, unit := range [...]string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			return short(f) + " " + unit
		}
		f /= 1024
	}
	return short(f) + " PiB"
}

func number(n any) float64 {
	switch n := n.(type) {
	case uint64:
		return float64(n)
	case int:
		return float64(n)
	case float64:
		return n
	}
	return math.NaN()
}

// count is a number with its thousands apart.
func count(n any) string {
	f := number(n)
	if f != math.Trunc(f) {
		return short(f)
	}
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(share float64) string { return short(math.Round(share*1000)/10) + " %" }
