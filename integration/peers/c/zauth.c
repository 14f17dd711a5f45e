// A REP worker with czmq's zauth, which is told of one address: zauth ALLOW|DENY ADDRESS SECRET PUBLIC. It echoes until
// its standard input ends.
#include <czmq.h>

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    zsys_handler_set(NULL);
    zactor_t *auth = zactor_new(zauth, NULL);
    zstr_sendx(auth, argv[1], argv[2], NULL);
    zsock_wait(auth);
    zstr_sendx(auth, "CURVE", CURVE_ALLOW_ANY, NULL);
    zsock_wait(auth);

    zsock_t *worker = zsock_new(ZMQ_REP);
    zsock_set_curve_server(worker, 1);
    zsock_set_curve_secretkey(worker, argv[3]);
    zsock_set_curve_publickey(worker, argv[4]);
    zsock_set_zap_domain(worker, "global");
    int port = zsock_bind(worker, "tcp://127.0.0.1:*");
    printf("{\"event\": \"listening\", \"endpoint\": \"tcp://127.0.0.1:%d\"}\n", port);
    fflush(stdout);

    zmq_pollitem_t items[] = {{zsock_resolve(worker), 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};
    while (zmq_poll(items, 2, -1) >= 0 && !items[1].revents)
        if (items[0].revents) {
            zmsg_t *m = zmsg_recv(worker);
            zmsg_send(&m, worker);
        }
    zsock_destroy(&worker);
    zactor_destroy(&auth);
    return 0;
}
