// Package adding has no code: its test holds docs/adding.md, which says what adding a
// policy, a lease, a verb or a transport touches, against the code.
package adding
