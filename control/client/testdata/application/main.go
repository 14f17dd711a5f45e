// Command application says HELLO to a proxy and keeps its lease, as any application
// does: its only tie to the proxy is the client.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

func main() {
	ctx := context.Background()
	c, err := client.Dial(ctx, os.Args[1], nil)
	if err == nil {
		defer c.Close()
		if _, err = c.Hello(ctx, client.Hello{Identity: "alice"}); err == nil {
			err = c.KeepAlive(ctx, "alice")
		}
	}
	fmt.Println(wire.CodeOf(err), err)
}
