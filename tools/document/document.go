// Package document puts what a command makes into a document, between two comments that name
// the command.
package document

import (
	"fmt"
	"os"
	"strings"
)

func begins(command string) string {
	return "<!-- what follows is made by `" + command + "` -->\n"
}

func ends(command string) string {
	return "<!-- what comes before is made by `" + command + "` -->\n"
}

// Made is text as it stands in a document, its comments included.
func Made(command, text string) string { return begins(command) + text + ends(command) }

// Put has text stand in a file's place for what a command makes, whatever stood there.
func Put(file, command, text string) error {
	all, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(all), begins(command))
	_, after, ended := strings.Cut(rest, ends(command))
	if !ok || !ended {
		return fmt.Errorf("%s has no place for what %s makes", file, command)
	}
	return os.WriteFile(file, []byte(before+Made(command, text)+after), 0o644) //nolint:gosec // a document
}
