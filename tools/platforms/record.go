package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamq/streamq-proxy/tools/document"
)

// entry is what came of a trial.
type entry struct {
	Name   string `json:"name"`
	System string `json:"system"`
	Tried  string `json:"tried"`
	Came   string `json:"came,omitempty"`
	Failed bool   `json:"failed,omitempty"`
	On     string `json:"on,omitempty"`     // the day, as 2026-11-29
	NotRun string `json:"notRun,omitempty"` // why; then there is no more
}

func (e entry) outcome() string {
	switch {
	case e.NotRun != "":
		return "not run: " + e.NotRun
	case e.Failed:
		return "**fails**: " + e.Came
	}
	return e.Came
}

func recordFile(root string) string   { return filepath.Join(root, "docs", "platforms.json") }
func documentFile(root string) string { return filepath.Join(root, "docs", "platforms.md") }

// readRecord is what is recorded, by the trials' names.
func readRecord(root string) (map[string]entry, error) {
	text, err := os.ReadFile(recordFile(root))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []entry
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", recordFile(root), err)
	}
	byName := map[string]entry{}
	for _, e := range all {
		byName[e.Name] = e
	}
	return byName, nil
}

// made is what the table in docs/platforms.md is made by.
const made = "make platforms"

// write puts the results into the record and into the document.
func write(root string, all []entry) error {
	var record strings.Builder
	encoder := json.NewEncoder(&record)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	if err := document.Put(documentFile(root), made, "\n"+table(all)+"\n"); err != nil {
		return err
	}
	return os.WriteFile(recordFile(root), []byte(record.String()), 0o644) //nolint:gosec // a document
}

// table has a row for each trial; a system of several is named once.
func table(all []entry) string {
	var b strings.Builder
	b.WriteString("| system | tried | what came of it | run on |\n|---|---|---|---|\n")
	last := ""
	for _, e := range all {
		system := e.System
		if system == last {
			system = ""
		}
		last = e.System
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", system, e.Tried, strings.ReplaceAll(e.outcome(), "|", `\|`), e.On)
	}
	return strings.ReplaceAll(b.String(), "|  |", "| |")
}
