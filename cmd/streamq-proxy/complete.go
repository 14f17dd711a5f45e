package main

import (
	"context"
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
		return column(ctx, client, "workers", "worker")
	case strings.HasPrefix(word, "IDENTITY"), verb == "KICK" && word == "WHICH":
		return column(ctx, client, "clients", "identity")
	case word == "[LEVEL]":
		return []string{"debug", "info", "warn", "error"}
	case strings.ToLower(word) == word && strings.Contains(word, "|"):
		return strings.Split(word, "|")
	}
	return nil
}

// column are the values of one field of a list, without blanks and repetitions.
func column(ctx context.Context, client *control.Client, list, field string) (values []string) {
	reply, err := client.Do(ctx, strings.ToUpper(list))
	if err != nil {
		return nil
	}
	o, err := parseObject(reply.Body)
	if err != nil {
		return nil
	}
	for _, row := range o.rows(list) {
		if v := row.text(field); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}
