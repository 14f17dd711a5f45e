//go:build linux && cgo

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/stream"
)

// completePatience is how long a shell waits for what the running proxy has.
const completePatience = time.Second

// complete offers verbs, and what the running proxy has for their arguments.
func (c *ctl) complete(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return verbs(cmd, typed), cobra.ShellCompDirectiveNoFileComp
	}
	verb := control.VerbOf(strings.ToUpper(args[0]))
	c.timeout = min(c.timeout, completePatience)
	proxy, err := c.dial(cmd.Context())
	if verb == nil || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer proxy.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
	defer cancel()
	words := (&completion{ctx, proxy, verb, args[1:]}).words(typed)
	directive := cobra.ShellCompDirectiveNoFileComp
	if slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, "=") }) {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return words, directive
}

// verbs are those that cobra does not offer by itself, as commands beside them.
func verbs(cmd *cobra.Command, typed string) (offers []string) {
	for _, v := range control.Verbs() {
		name := strings.ToLower(v.Name)
		if !slices.ContainsFunc(cmd.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name }) {
			offers = append(offers, name+"\t"+v.Help)
		}
	}
	return begunBy(typed, offers)
}

// completeVerb is for the argument of help.
func completeVerb(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return verbs(cmd, typed), cobra.ShellCompDirectiveNoFileComp
}

// completeTopics is for those of events, and for what they begin with.
func completeTopics(_ *cobra.Command, said []string, typed string) (topics []string, _ cobra.ShellCompDirective) {
	for _, topic := range stream.Topics() {
		kind, _, _ := strings.Cut(topic, ".")
		for _, t := range []string{kind, topic} {
			if !slices.Contains(topics, t) && !slices.Contains(said, t) {
				topics = append(topics, t)
			}
		}
	}
	return begunBy(typed, topics), cobra.ShellCompDirectiveNoFileComp
}

// completeFiles is for what takes one file. All else takes none: the root command
// says so for arguments and flags.
func completeFiles(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// takeWords has the values of a flag completed as one of some words.
func takeWords[T ~string](cmd *cobra.Command, flag string, words []T) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		all := make([]string, len(words))
		for i, w := range words {
			all[i] = string(w)
		}
		return begunBy(typed, all), cobra.ShellCompDirectiveNoFileComp
	})
}

// takeFiles has the values of flags completed as files.
func takeFiles(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		// A flag that does not exist would be the error.
		_ = cmd.RegisterFlagCompletionFunc(f, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
	}
}
