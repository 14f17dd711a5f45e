// Command progress reads what `go test -json` prints and shows a person how far it is: a line for each package and for
// each test that took a while, all that a failed test had to say, and a sum at the end. It exits 1 when anything failed.
package main
