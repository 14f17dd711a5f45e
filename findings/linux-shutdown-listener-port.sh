#!/usr/bin/env bash
# shutdown(SHUT_RD) on a listening TCP socket stops it on Linux, and listen() starts it again: on the same port if bind()
# named the port, on another one, without an error, if bind() asked for port 0.
#
# Versions: Linux 6.18, Python 3.11.
# Why: the kernel leaves the port with the socket only where bind() locked it (SOCK_BINDPORT_LOCK), which port 0 does not
# do; a shutdown of a listener is a disconnect, which gives up a port that is not locked, and listen() then takes a free one.
# Matters to who pauses a listener this way to shed load: a test on port 0 sees what a service on its port never does.
#
# Seen:
#   bind to port 0, shutdown, listen: another port
#   bind to a port by number, shutdown, listen: the same port
#
# Needs python3 on Linux. Exits 1 when it behaves differently.
set -euo pipefail
python3 - <<'PYTHON'
import platform, socket, sys


def keeps_port(port):
    """Whether a listener bound to port has the same one after shutdown(SHUT_RD) and listen(); and which it had first."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        first = listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RD)
        try:
            socket.create_connection(("127.0.0.1", first), timeout=5).close()
            sys.exit("shutdown(SHUT_RD) did not stop the listener")
        except ConnectionRefusedError:
            pass
        listener.listen()
        return listener.getsockname()[1] == first, first


print("Linux", platform.release())
by_zero, port = keeps_port(0)
by_number, _ = keeps_port(port)
for name, kept in (("bind to port 0", by_zero), ("bind to a port by number", by_number)):
    print("%s, shutdown, listen: %s port" % (name, "the same" if kept else "another"))
same = (by_zero, by_number) == (False, True)
print("as described" if same else "NOT as described")
sys.exit(0 if same else 1)
PYTHON
