package main

import (
	"flag"
	"fmt"
	"runtime"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/stream/libzmq"
)

// keys are all CURVE keys of a run. The broker's pair is what clients see of it, and what it shows to the worker.
type keys struct {
	workerPublic, workerSecret string
	clientPublic, clientSecret string
	brokerPublic, brokerSecret string
}

func newKeys() (k keys, err error) {
	for _, pair := range []struct{ public, secret *string }{
		{&k.workerPublic, &k.workerSecret}, {&k.clientPublic, &k.clientSecret}, {&k.brokerPublic, &k.brokerSecret},
	} {
		if *pair.public, *pair.secret, err = libzmq.NewKeypair(); err != nil {
			return k, err
		}
	}
	return k, nil
}

// startBroker starts this program again as the broker.
func startBroker(p programs, s site) (*process, error) {
	args := []string{
		"broker", "-frontend", "tcp://" + s.frontend, "-worker", "tcp://" + s.worker, "-hwm", fmt.Sprint(s.hwm),
	}
	if s.mechanism == curve {
		args = append(args, "-public="+s.keys.brokerPublic, "-secret="+s.keys.brokerSecret, "-worker-public="+s.keys.workerPublic)
	}
	return spawn("broker", nil, p.self, args...)
}

// runBroker is the usual way to put something between clients and workers: a ROUTER and a DEALER joined by zmq_proxy.
// It ends CURVE on both sides, and so sees all that passes. It returns only with an error.
func runBroker(args []string) error {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	frontend := flags.String("frontend", "", "where clients connect")
	worker := flags.String("worker", "", "the worker's endpoint")
	hwm := flags.Int("hwm", 1000, "high-water mark")
	public := flags.String("public", "", "the broker's CURVE key")
	secret := flags.String("secret", "", "its secret")
	workerPublic := flags.String("worker-public", "", "the worker's CURVE key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	context, err := zmq.NewContext()
	if err != nil {
		return err
	}
	if err := context.SetIoThreads(runtime.NumCPU()); err != nil {
		return err
	}
	router, err := brokerSocket(context, zmq.ROUTER, *hwm)
	if err != nil {
		return err
	}
	dealer, err := brokerSocket(context, zmq.DEALER, *hwm)
	if err != nil {
		return err
	}
	if *secret != "" {
		if err := secure(router, dealer, *public, *secret, *workerPublic); err != nil {
			return err
		}
	}
	if err := dealer.Connect(*worker); err != nil {
		return err
	}
	if err := router.Bind(*frontend); err != nil {
		return err
	}
	return zmq.Proxy(router, dealer, nil)
}

func brokerSocket(context *zmq.Context, kind zmq.Type, hwm int) (*zmq.Socket, error) {
	s, err := context.NewSocket(kind)
	if err != nil {
		return nil, err
	}
	if err := s.SetSndhwm(hwm); err != nil {
		return nil, err
	}
	if err := s.SetRcvhwm(hwm); err != nil {
		return nil, err
	}
	return s, s.SetBacklog(4096)
}

// secure makes the broker the server of its clients and a client of the worker.
func secure(router, dealer *zmq.Socket, public, secret, workerPublic string) error {
	if err := router.SetCurveServer(1); err != nil {
		return err
	}
	if err := router.SetCurveSecretkey(secret); err != nil {
		return err
	}
	if err := dealer.SetCurveServerkey(workerPublic); err != nil {
		return err
	}
	if err := dealer.SetCurvePublickey(public); err != nil {
		return err
	}
	return dealer.SetCurveSecretkey(secret)
}
