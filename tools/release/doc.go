// Release makes what is given to users, from the tree that it is run in and into a
// directory: a Debian package, an image in the OCI layout, a static program, lists of
// what the binaries are made of, and the checksums of them all.
//
//	go -C tools/release run . -root ../.. -dist ../../dist
//
//	tree ── go build ──► binary ──┬── man, completion, licences ── nfpm ──► .deb
//	                              ├── and the libraries that it loads ────► .oci.tar
//	                              └── cyclonedx-gomod, dpkg ──────────────► .cdx.json
//	     ── tools/static.sh ──► .tar.gz ── cyclonedx-gomod ───────────────► -static.cdx.json
//
// Two runs over one commit on one system give the same bytes: every time in them is
// that of the commit (or SOURCE_DATE_EPOCH), and no path of the machine is in them.
//
// # What it does not do
//
// It tags and uploads nothing, and builds for no other architecture than its own:
// cgo would need a cross-compiler and that architecture's libzmq.
package main
