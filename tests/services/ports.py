"""Ports on the loopback interface for servers of the tests."""

import contextlib
import random
import socket

# Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections: a server that
# was killed finds its port free again, however many clients tried to reach it meanwhile.
RANGE = range(20_000, 32_768)
_random = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """`count` different ports of 127.0.0.1 on which nothing listens at the moment."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", _random.choice(RANGE)))
                ports.append(probe.getsockname()[1])
    return ports
