package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// ErrClosed is returned by the calls on a client that was closed.
var ErrClosed = errors.New("the client is closed")

// ErrNoAnswer is wrapped by the error of a call whose context ended before the
// proxy had answered. What was asked may have happened, or may still.
var ErrNoAnswer = errors.New("no answer from the proxy")

// pollEvery is how long a call may go on after its context has ended.
const pollEvery = 20 * time.Millisecond

// Security is the CURVE of a client.
type Security struct {
	Cert   wire.Cert // the client's own, with its secret key
	Server string    // the proxy's public key, 40 characters of Z85
}

// Client speaks to one proxy's control socket. Its methods may be called from
// any goroutine; one request is under way at a time. It connects, and connects
// again, by itself.
type Client struct {
	endpoint string
	security *Security

	mutex   sync.Mutex // guards what follows
	context *zmq4.Context
	socket  *zmq4.Socket // nil when it has to be made anew
	closed  bool
	said    map[string]Hello
}

// Dial makes a client of an endpoint and has the proxy answer a PING. security is
// nil for ipc and loopback. An endpoint that none can be is an [ErrEndpoint],
// a file that the caller may not use an [fs.ErrPermission].
func Dial(ctx context.Context, endpoint string, security *Security) (*Client, error) {
	if err := usable(endpoint); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	zctx, err := zmq4.NewContext()
	if err != nil {
		return nil, fmt.Errorf("libzmq: %w", err)
	}
	c := &Client{endpoint: endpoint, security: security, context: zctx, said: map[string]Hello{}}
	if _, err := c.Do(ctx, "PING"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the client. A call that is under way is waited for.
func (c *Client) Close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.drop()
	_ = c.context.Term()
}

// drop forgets the connection, and with it the answer of a request that nobody
// waits for any more.
func (c *Client) drop() {
	if c.socket != nil {
		_ = c.socket.Close()
		c.socket = nil
	}
}

// connect makes the socket.
func (c *Client) connect() error {
	socket, err := c.context.NewSocket(zmq4.DEALER)
	if err != nil {
		return err
	}
	err = c.secure(socket)
	if err = errors.Join(err, socket.SetLinger(0), socket.SetIpv6(true)); err == nil {
		err = socket.Connect(c.endpoint)
	}
	if err != nil {
		_ = socket.Close()
		return fmt.Errorf("control %s: %w", c.endpoint, err)
	}
	c.socket = socket
	return nil
}

func (c *Client) secure(socket *zmq4.Socket) error {
	if c.security == nil {
		return nil
	}
	return errors.Join(
		socket.SetCurveServerkey(c.security.Server),
		socket.SetCurvePublickey(c.security.Cert.Public),
		socket.SetCurveSecretkey(c.security.Cert.Secret))
}

// Do sends a request and returns the reply. A code of 400 and above is an
// [*wire.Error], with the reply, also where the request makes no sense and so is not
// sent; a context that ended is [ErrNoAnswer] and the context's error.
func (c *Client) Do(ctx context.Context, verb string, args ...string) (wire.Reply, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return wire.Reply{}, ErrClosed
	}
	request := wire.Request{Verb: verb, Args: args}
	var nonsense *wire.Error
	if errors.As(request.Check(), &nonsense) { // also of frames for which the proxy would only close the connection
		return nonsense.Reply(), nonsense
	}
	if c.socket == nil {
		if err := c.connect(); err != nil {
			return wire.Reply{}, err
		}
	}
	r, err := c.exchange(ctx, request)
	if err != nil {
		c.drop()
		return wire.Reply{}, err
	}
	return r, r.Err()
}

func (c *Client) exchange(ctx context.Context, r wire.Request) (wire.Reply, error) {
	if _, err := c.socket.SendMessageDontwait("", r.Frames()); err != nil {
		return wire.Reply{}, fmt.Errorf("control %s: %w", c.endpoint, err)
	}
	poller := zmq4.NewPoller()
	poller.Add(c.socket, zmq4.POLLIN)
	for {
		if err := ctx.Err(); err != nil {
			return wire.Reply{}, fmt.Errorf("control %s: %w: %w", c.endpoint, ErrNoAnswer, err)
		}
		ready, err := poller.Poll(pollEvery)
		if err != nil {
			return wire.Reply{}, fmt.Errorf("control %s: %w", c.endpoint, err)
		}
		if len(ready) == 0 {
			continue
		}
		frames, err := c.socket.RecvMessageBytes(0)
		if err != nil {
			return wire.Reply{}, fmt.Errorf("control %s: %w", c.endpoint, err)
		}
		if len(frames) > 0 && len(frames[0]) == 0 {
			frames = frames[1:]
		}
		reply, err := wire.ParseReply(r, frames)
		if err != nil {
			return wire.Reply{}, fmt.Errorf("control %s: %w", c.endpoint, err)
		}
		return reply, nil
	}
}

// ask is Do that reads what the reply has to say into body.
func (c *Client) ask(ctx context.Context, body any, verb string, args ...string) error {
	r, err := c.Do(ctx, verb, args...)
	if err != nil || body == nil {
		return err
	}
	if err := json.Unmarshal(r.Body, body); err != nil {
		return fmt.Errorf("control %s: %s: %w", c.endpoint, verb, err)
	}
	return nil
}
