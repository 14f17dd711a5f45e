// A client or a worker of one kind by czmq, in the way of ../py: the same flags, the same messages, the same JSON lines. The
// first argument says which. Digests are libsodium's, which libzmq has with it: czmq has SHA-1 only.
#include <czmq.h>
#include <getopt.h>
#include <sodium.h>

// What the flags say; those of the other side stay as they are here.
static struct {
    const char *kind, *to, *mechanism, *server_public, *server_secret, *client_public, *client_secret;
    const char *bind, *connect, *identity;
    int requests, at_once, size, slots, heartbeat;
} o = {.to = "", .mechanism = "NULL", .identity = "", .requests = 10, .at_once = 1, .size = 1000, .slots = 1};

static void options(int argc, char **argv)
{
    static const struct option flags[] = {
        {"kind", 1, 0, 0}, {"to", 1, 0, 1}, {"mechanism", 1, 0, 2}, {"server-public", 1, 0, 3}, {"server-secret", 1, 0, 4},
        {"client-public", 1, 0, 5}, {"client-secret", 1, 0, 6}, {"bind", 1, 0, 7}, {"connect", 1, 0, 8}, {"identity", 1, 0, 9},
        {"requests", 1, 0, 10}, {"at-once", 1, 0, 11}, {"size", 1, 0, 12}, {"slots", 1, 0, 13}, {"heartbeat", 1, 0, 14}, {0}};
    const char **texts[] = {&o.kind, &o.to, &o.mechanism, &o.server_public, &o.server_secret,
                            &o.client_public, &o.client_secret, &o.bind, &o.connect, &o.identity};
    int *numbers[] = {&o.requests, &o.at_once, &o.size, &o.slots, &o.heartbeat};
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        if (flag == '?')
            exit(2);
        if (flag < 10)
            *texts[flag] = optarg;
        else
            *numbers[flag - 10] = atoi(optarg);
    }
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

// is says whether the socket is of this kind.
static bool is(const char *kind) { return streq(o.kind, kind); }

static zsock_t *open_socket(void)
{
    static const struct { const char *name; int type; } kinds[] = {
        {"REQ", ZMQ_REQ}, {"REP", ZMQ_REP}, {"DEALER", ZMQ_DEALER}, {"ROUTER", ZMQ_ROUTER},
        {"PUSH", ZMQ_PUSH}, {"PULL", ZMQ_PULL}, {"PUB", ZMQ_PUB}, {"SUB", ZMQ_SUB}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is(kinds[i].name))
            return zsock_new(kinds[i].type);
    exit(2);
}

// beat has the socket send heartbeats, and end a connection from which nothing has come for 20 of them.
static zsock_t *beat(zsock_t *socket)
{
    if (o.heartbeat) {
        zsock_set_heartbeat_ivl(socket, o.heartbeat);
        zsock_set_heartbeat_timeout(socket, 20 * o.heartbeat);
    }
    return socket;
}

// blob is bytes that depend on the message, so that a mix-up shows.
static zframe_t *blob(int number, size_t size)
{
    unsigned char block[crypto_hash_sha256_BYTES];
    char *text = zsys_sprintf("%d", number);
    crypto_hash_sha256(block, (unsigned char *)text, strlen(text));
    zstr_free(&text);
    zframe_t *frame = zframe_new(NULL, size);
    for (size_t i = 0; i < size; i++)
        zframe_data(frame)[i] = block[i % sizeof block];
    return frame;
}

static void add(crypto_hash_sha256_state *digest, zmsg_t *message)
{
    for (zframe_t *f = zmsg_first(message); f; f = zmsg_next(message)) {
        char *head = zsys_sprintf("%zu:", zframe_size(f));
        crypto_hash_sha256_update(digest, (unsigned char *)head, strlen(head));
        crypto_hash_sha256_update(digest, zframe_data(f), zframe_size(f));
        zstr_free(&head);
    }
}

static char *hex(crypto_hash_sha256_state *digest)
{
    static char text[2 * crypto_hash_sha256_BYTES + 1];
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(digest, sum);
    return sodium_bin2hex(text, sizeof text, sum, sizeof sum);
}

// request is [IDENTITY, number], the first of a round with an empty frame and a blob behind.
static zmsg_t *request(int number, bool multipart)
{
    zmsg_t *m = zmsg_new();
    if (is("DEALER") && streq(o.to, "REP"))
        zmsg_addmem(m, "", 0);
    zmsg_addstr(m, o.identity);
    zmsg_addstrf(m, "%d", number);
    if (multipart) {
        zmsg_addmem(m, "", 0);
        zframe_t *last = blob(number, o.size);
        zmsg_append(m, &last);
    }
    return m;
}

static zmsg_t *receive(zsock_t *socket)
{
    zmsg_t *m = zmsg_recv(socket);
    if (!m)
        die("nothing received in time");
    return m;
}

static void transmit(zmsg_t **m, zsock_t *socket)
{
    if (zmsg_send(m, socket))
        die("not sent");
}

// subscribe takes as many messages of a PUB as there are requests, and says how many are wrong.
static int subscribe(zsock_t *socket)
{
    int wrong = 0;
    zsock_set_subscribe(socket, "");
    for (int i = 0; i < o.requests; i++) {
        zmsg_t *m = receive(socket);
        char *number = zmsg_popstr(m);
        zframe_t *got = zmsg_pop(m), *want = blob(atoi(number), o.size);
        wrong += !got || !zframe_eq(got, want) || zmsg_size(m);
        zstr_free(&number);
        zframe_destroy(&got);
        zframe_destroy(&want);
        zmsg_destroy(&m);
    }
    return wrong;
}

// ask sends the requests in rounds, takes the replies, and says how many are wrong.
static int ask(zsock_t *socket, crypto_hash_sha256_state *digest)
{
    int wrong = 0, at_once = is("REQ") ? 1 : o.at_once;
    for (int start = 0; start < o.requests; start += at_once) {
        int end = start + at_once < o.requests ? start + at_once : o.requests;
        for (int number = start; number < end; number++) {
            zmsg_t *m = request(number, number == start);
            transmit(&m, socket);
        }
        for (int number = start; number < end; number++) {
            zmsg_t *want = request(number, number == start), *got = is("PUSH") ? zmsg_dup(want) : receive(socket);
            wrong += !zmsg_eq(got, want);
            add(digest, got);
            zmsg_destroy(&want);
            zmsg_destroy(&got);
        }
    }
    return wrong;
}

static int client(void)
{
    zsock_t *socket = beat(open_socket());
    zsock_set_linger(socket, is("PUSH") ? 30000 : 0);
    zsock_set_rcvtimeo(socket, 30000);
    zsock_set_sndtimeo(socket, 30000);
    if (is("REQ") || is("DEALER")) // czmq ends the program that gives another socket one
        zsock_set_identity(socket, o.identity);
    if (streq(o.mechanism, "PLAIN")) {
        zsock_set_plain_username(socket, "user");
        zsock_set_plain_password(socket, "pass");
    } else if (streq(o.mechanism, "CURVE")) {
        zsock_set_curve_serverkey(socket, o.server_public);
        zsock_set_curve_publickey(socket, o.client_public);
        zsock_set_curve_secretkey(socket, o.client_secret);
    }
    if (zsock_connect(socket, "%s", o.connect))
        die(o.connect);
    crypto_hash_sha256_state digest;
    crypto_hash_sha256_init(&digest);
    int wrong = is("SUB") ? subscribe(socket) : ask(socket, &digest);
    if (is("PUSH"))
        while (getchar() != EOF) // what is still queued would go with the socket
            ;
    zsock_destroy(&socket);
    printf("{\"event\": \"done\", \"received\": %d, \"wrong\": %d, \"digest\": \"%s\"}\n", o.requests, wrong, hex(&digest));
    return wrong ? 1 : 0;
}

// authenticator has czmq's zauth know one user. libzmq lets nobody in by PLAIN while there is nobody to ask.
static zactor_t *authenticator(void)
{
    zactor_t *auth = zactor_new(zauth, NULL);
    char *passwords = zsys_sprintf("/tmp/czmq-peer-%d", (int)getpid());
    FILE *file = fopen(passwords, "w");
    if (!file || fputs("user=pass\n", file) < 0 || fclose(file))
        die(passwords);
    zstr_sendx(auth, "PLAIN", passwords, NULL);
    zsock_wait(auth);
    unlink(passwords); // zauth has read it
    zstr_free(&passwords);
    return auth;
}

static void publish(zsock_t *socket, int number)
{
    zmsg_t *m = zmsg_new();
    zmsg_addstrf(m, "%d", number);
    zframe_t *last = blob(number, 1000);
    zmsg_append(m, &last);
    transmit(&m, socket);
}

// serve returns each message, until the standard input has something to say, and says how many there were.
static int serve(zsock_t *socket, crypto_hash_sha256_state *digest, zhashx_t *identities)
{
    zmq_pollitem_t items[] = {{NULL, STDIN_FILENO, ZMQ_POLLIN, 0}, {zsock_resolve(socket), 0, ZMQ_POLLIN, 0}};
    for (int messages = 0;; messages++) {
        if (zmq_poll(items, is("PUB") ? 1 : 2, is("PUB") ? 5 : -1) < 0)
            die("poll");
        if (items[0].revents)
            return messages;
        if (is("PUB")) {
            publish(socket, messages);
            continue;
        }
        zmsg_t *m = receive(socket);
        if (is("ROUTER")) {
            char *identity = zframe_strdup(zmsg_first(m));
            zhashx_insert(identities, identity, identity);
            zstr_free(&identity);
        }
        if (!is("PULL")) {
            transmit(&m, socket);
            continue;
        }
        add(digest, m);
        if (zframe_streq(zmsg_first(m), "end")) {
            puts("{\"event\": \"pulled\"}");
            fflush(stdout);
        }
        zmsg_destroy(&m);
    }
}

static int worker(void)
{
    zsock_t *socket = beat(open_socket());
    zactor_t *auth = streq(o.mechanism, "PLAIN") ? authenticator() : NULL;
    zsock_set_linger(socket, 0);
    if (auth)
        zsock_set_plain_server(socket, 1);
    if (streq(o.mechanism, "CURVE")) {
        zsock_set_curve_server(socket, 1);
        zsock_set_curve_publickey(socket, o.server_public);
        zsock_set_curve_secretkey(socket, o.server_secret);
    }
    if (o.bind) {
        if (zsock_bind(socket, "%s", o.bind) < 0)
            die(o.bind);
    } else {
        zsock_set_immediate(socket, 1); // a pipe that outlives its connection would carry one client's late replies to the next
        for (int i = 0; i < o.slots; i++)
            if (zsock_connect(socket, "%s", o.connect))
                die(o.connect);
    }
    char *endpoint = zsock_last_endpoint(socket);
    printf("{\"event\": \"ready\", \"endpoint\": \"%s\"}\n", endpoint);
    fflush(stdout);
    zstr_free(&endpoint);

    crypto_hash_sha256_state digest;
    crypto_hash_sha256_init(&digest);
    zhashx_t *identities = zhashx_new();
    int messages = serve(socket, &digest, identities);
    zsock_destroy(&socket);
    zactor_destroy(&auth);
    printf("{\"event\": \"done\", \"messages\": %d, \"digest\": \"%s\", \"identities\": [", messages, hex(&digest));
    const char *between = "";
    for (void *i = zhashx_first(identities); i; i = zhashx_next(identities), between = ", ")
        printf("%s\"%s\"", between, (const char *)zhashx_cursor(identities));
    puts("]}");
    zhashx_destroy(&identities);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || sodium_init() < 0)
        return 2;
    zsys_handler_set(NULL);
    options(argc - 1, argv + 1);
    return streq(argv[1], "client") ? client() : worker();
}
