"""Who may send the body of a chord: a claim that lives as long as its holder.

Celery lets a claim live for as long as sending could take at worst, which is minutes where a message is tried often;
when its holder is killed, the chord waits all that time. Here the claim is short and its holder renews it.
"""

import threading
from collections.abc import Callable
from typing import Any

CLAIM_SECONDS = 20
"""For how long a claim outlives its holder, and a store that is away may keep it from being renewed."""

Script = Callable[..., Any]


class Claims:
    """The claims of one backend: at most one at a time, from `extend` to `clean_up`, as Celery calls them."""

    def __init__(self, extend: Script, clean_up: Script) -> None:
        """Take Celery's two scripts, which it calls with `keys`, `args` and `client`."""
        self._extend = extend
        self._clean_up = clean_up
        self._sent = threading.Event()

    def extend(self, **call: Any) -> Any:
        """Take the claim for `CLAIM_SECONDS`, renewed until `clean_up`; false when somebody else has it."""
        held = self._extend(**call)
        if held:
            self._sent = threading.Event()
            threading.Thread(target=self._renew, args=(self._sent, call), daemon=True).start()
        return held

    def clean_up(self, **call: Any) -> Any:
        """End the claim and remove what was counted."""
        self._sent.set()
        return self._clean_up(**call)

    def _renew(self, sent: threading.Event, call: dict[str, Any]) -> None:
        while not sent.wait(CLAIM_SECONDS / 4):
            self._extend(**call)
