"""Ports on the loopback interface for servers of the tests."""

import contextlib
import random
import socket

# Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections: a server that
# was killed finds its port free again, however many clients tried to reach it meanwhile.
RANGE = range(20_000, 32_768)
_random = random.SystemRandom()
_claims: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 on which nothing listens.

    No other process gets them from this function while this one lives: not while the server that is to have a port
    is still starting, and not while it is down to be restarted. The claim is the UDP port of the same number.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = _random.choice(RANGE)
        with contextlib.suppress(OSError), contextlib.ExitStack() as unless_free:
            claim = unless_free.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            unless_free.pop_all()
            _claims.append(claim)
            ports.append(port)
    return ports
