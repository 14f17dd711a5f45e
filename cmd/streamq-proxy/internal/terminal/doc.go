// Package terminal finds out what a person looks at: whether a file is a terminal, and
// what fits into it.
package terminal
