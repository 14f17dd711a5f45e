package main

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/control"
)

// candidates are the words that the next argument of a verb can be.
func candidates(ctx context.Context, client *control.Client, verb string, said []string) []string {
	all := control.Verbs()
	i := slices.IndexFunc(all, func(v control.Verb) bool { return v.Name == verb })
	if i < 0 {
		return nil
	}
	words := strings.Fields(all[i].Args)
	if len(said) >= len(words) {
		return nil
	}
	word := words[len(said)]
	if verb == "KICK" && len(said) == 1 && said[0] == "worker" {
		word = "WORKER"
	}
	switch {
	case strings.HasPrefix(word, "WORKER") && verb != "ADD":
		return offers(client.Pool("").Workers(ctx, control.Filter{}), func(w control.WorkerInfo) string { return w.Worker })
	case strings.HasPrefix(word, "IDENTITY"), verb == "KICK" && word == "WHICH":
		return offers(client.Pool("").Clients(ctx, control.Filter{}), func(c control.ClientInfo) string { return c.Identity })
	case word == "[LEVEL]":
		return []string{"debug", "info", "warn", "error"}
	case strings.ToLower(word) == word && strings.Contains(word, "|"):
		return strings.Split(word, "|")
	}
	return nil
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
