#!/usr/bin/env bash
# ioctl(TIOCOUTQ), "what is still in the send queue", counts different things at different moments by the kind of socket:
# over TCP bytes that the other host's kernel has not acknowledged, over a unix socket memory that the other program has
# not read. One byte that waits there is 768, and stays so until the last byte of its buffer is read.
#
# Versions: Linux 6.18, Python 3.11.
# Why: TCP takes the difference of two sequence numbers, which the peer's kernel moves on although its program is asleep.
# A unix socket's bytes lie in the receiver's queue, but the sender's account is charged with them, by whole buffers and
# with the kernel's own overhead (unix_outq_len gives sk_wmem_alloc).
# Matters to who waits for 0 before he closes, or shows the figure as bytes: over TCP 0 does not mean "read", and over a
# unix socket it means nothing else.
#
# Seen (bytes sent, TIOCOUTQ of the sender, FIONREAD of the receiver, TIOCOUTQ when one byte less than all is read):
#   tcp     1    0    1    0
#   tcp   100    0  100    0
#   unix    1  768    1  768
#   unix  100  768  100  768
#
# Needs python3 on Linux. Exits 1 when it behaves differently.
set -euo pipefail
python3 - <<'PYTHON'
import fcntl, platform, select, socket, struct, sys, termios


def ask(sock, what):
    return struct.unpack("i", fcntl.ioctl(sock, what, b"\0" * 4))[0]


def tcp():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sender = socket.create_connection(listener.getsockname(), timeout=5)
        return sender, listener.accept()[0]


same = True
print("Linux", platform.release())
for name, pair in (("tcp", tcp), ("unix", socket.socketpair)):
    for size in (1, 100):
        sender, receiver = pair()
        sender.sendall(b"x" * size)
        while ask(receiver, termios.FIONREAD) < size:
            select.select([receiver], [], [], 1)
        queued, unread = ask(sender, termios.TIOCOUTQ), ask(receiver, termios.FIONREAD)
        if size > 1:
            receiver.recv(size - 1)
        rest = ask(sender, termios.TIOCOUTQ)
        print("%-4s %4d %4d %4d %4d" % (name, size, queued, unread, rest))
        same &= unread == size and ((queued, rest) == (0, 0) if name == "tcp" else queued == rest > size)
        receiver.recv(size)
        same &= ask(sender, termios.TIOCOUTQ) == 0
        sender.close()
        receiver.close()
print("as described" if same else "NOT as described")
sys.exit(0 if same else 1)
PYTHON
