// Command platforms tries the program on the systems that it is not made on, as far as this machine can, and writes what
// came of it into docs/platforms.json and the table of docs/platforms.md.
//
//	go -C tools run ./platforms -root $PWD [-only REGEXP]
//
//	trials ── run, or why not ──► docs/platforms.json ──► the table of docs/platforms.md
//
// A trial that is not chosen by -only keeps what was recorded of it, or is said not to be run yet. What a trial lacks, such as root or an emulator, is
// said in the table in the place of a result; one that fails is in the table, too, and the command ends with 1.
// A test holds the table against the record, and the record against the trials.
//
// # What it does not do
//
// It installs nothing. Compilers, sources and gVisor are fetched by checksum, into .build.
package main
