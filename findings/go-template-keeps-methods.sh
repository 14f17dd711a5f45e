#!/usr/bin/env bash
# A Go program that uses html/template and, for something else, a library with many methods, is more than one and a half
# times as big as the program with the one and the program with the other together. No template sees that library.
#
# Versions: Go 1.26.8, github.com/redis/rueidis v1.0.79; linux/amd64, without cgo, stripped (the same with text/template).
# Why: a template calls methods by names that are known only when it runs. With such a call anywhere in the program, the
# linker has to keep every exported method of every reachable type, and what those methods need. rueidis has a type for
# each step of each Redis command, with a method for each next step, of which a program uses a handful. The documentation
# of reflect says it of MethodByName; that of html/template and text/template does not say that they call it.
# Matters where size does, and most to a library: by one template in it, all other libraries of its users' programs grow.
#
# Seen:
#   rueidis:                    5.6 MB,    12 functions of rueidis/internal/cmds
#   html/template:              3.7 MB,     0 functions of rueidis/internal/cmds
#   rueidis and html/template: 17.1 MB, 16701 functions of rueidis/internal/cmds
#
# Needs Go 1.25 or newer and its module proxy. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOFLAGS=-trimpath GOWORK=off
go mod init sizes >/dev/null 2>&1
go get github.com/redis/rueidis@v1.0.79 >/dev/null 2>&1
mkdir commands page both
cat >commands/main.go <<'GO'
package main

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
)

func main() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Do(context.Background(), client.B().Get().Key("k").Build()).ToString())
}
GO
cat >page/main.go <<'GO'
package main

import (
	"fmt"
	"html/template"
	"os"
)

func main() {
	fmt.Println(template.Must(template.New("").Parse("<p>{{.}}</p>\n")).Execute(os.Stdout, "hello"))
}
GO
sed 's/func main/func commands/' commands/main.go >both/commands.go
sed 's/func main/func page/' page/main.go >both/page.go
cat >both/main.go <<'GO'
package main

func main() {
	page()
	commands()
}
GO
size() { # PROGRAM: its size, stripped, in bytes
	go build -ldflags='-s -w' -o "$1/small" "./$1"
	stat -c %s "$1/small"
}
functions() { # PROGRAM: how many functions of rueidis's commands are in it
	go build -o "$1/full" "./$1"
	go tool nm "$1/full" | grep -c ' [Tt] github.com/redis/rueidis/internal/cmds\.' || true
}
say() { printf '%-26s %4s MB, %5d functions of rueidis/internal/cmds\n' "$1" "$(awk "BEGIN { printf \"%.1f\", $2 / 1e6 }")" "$3"; }
one=$(size commands) other=$(size page) both=$(size both)
say rueidis: "$one" "$(functions commands)"
say html/template: "$other" "$(functions page)"
say 'rueidis and html/template:' "$both" "$(functions both)"
[ $((both * 2)) -gt $(((one + other) * 3)) ] && echo "as described: more than one and a half times both together" || {
	echo "NOT as described"
	exit 1
}
