"""Events: one is sent to an exchange, and each listener whose binding lets it through gets a copy."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from app.messaging.errors import MessageUnroutable, MessagingError
from app.messaging.event_bus import Event, EventBus, Logger, LoggerConfig
from app.messaging.lifecycle import Service
from app.messaging.names import CRITICAL, IMAGE, INFO, LEVELS, MEDIA_TYPES, Exchange
from app.messaging.roles.serving import Ending
from app.messaging.roles.steps import HOW_TO_END, Step, Tell
from app.messaging.subscription import Match


async def emit(
    url: str, exchange: Exchange, key: str, headers: Mapping[str, Any] | None, data: Any, tell: Tell
) -> None:
    """Send one event; raises MessageUnroutable when nobody listens to it."""
    async with EventBus(url, exchange) as bus:
        step = partial(Step, exchange=exchange.name, routing_key=key, data=data, headers=dict(headers or {}))
        try:
            await bus.publish(data, key, headers, mandatory=True)
        except MessageUnroutable as error:
            tell(step("returned", note=str(error)))
            raise
        tell(step("sent"))


async def listen(
    url: str,
    exchange: Exchange,
    keys: tuple[str, ...],
    headers: Mapping[str, Any] | None,
    match: Match,
    file: Path | None,
    count: int | None,
    tell: Tell,
) -> None:
    """Tell every event that the bindings let through, and append it to `file`, until the end."""
    await _serve(Listener(url, exchange, keys, headers, match, file, Ending(count), tell))


async def client(url: str, exchange: Exchange, media_type: str, file: Path, count: int | None, tell: Tell) -> None:
    """Handle the messages of one type and log them to `file`."""
    await _serve(MediaClient(url, exchange, media_type, file, Ending(count), tell))


async def generate(url: str, exchange: Exchange, count: int, interval: float, tell: Tell) -> None:
    """Send messages of the two types in turn, `interval` seconds apart."""
    async with EventBus(url, exchange) as bus:
        for number, media_type in zip(range(1, count + 1), itertools.cycle(MEDIA_TYPES), strict=False):
            data = _media(media_type, number)
            try:
                await bus.publish(data, media_type, mandatory=True)
                tell(Step("sent", exchange.name, media_type, data=data))
            except MessageUnroutable as error:
                tell(Step("returned", exchange.name, media_type, data=data, note=str(error)))
            if number < count:
                await asyncio.sleep(interval)


async def log(config: LoggerConfig, level: str, data: dict[str, Any], tell: Tell) -> None:
    """Send one event of `level` by the class Logger."""
    async with Logger(config) as logger:
        await (logger.critical(data) if level == CRITICAL else logger.info(data))
        tell(Step("sent", config.name, level, data=data))


async def listen_as_logger(config: LoggerConfig, count: int | None, tell: Tell) -> None:
    """Tell every event of both levels, by the class Logger."""
    ending = Ending(count)
    waiting = Step("waiting", config.name, " ".join(LEVELS), note=HOW_TO_END)
    await ending.serve(TellingLogger(config, ending, tell), partial(tell, waiting))


class Listener(Service):
    """A subscriber that tells each event, and appends it to a file when it has one."""

    def __init__(
        self,
        url: str,
        exchange: Exchange,
        keys: tuple[str, ...],
        headers: Mapping[str, Any] | None,
        match: Match,
        file: Path | None,
        ending: Ending,
        tell: Tell,
    ) -> None:
        self.ending = ending
        self._bus = EventBus(url, exchange)
        self._keys = keys
        self._headers = headers
        self._match = match
        self._file = file
        self._tell = tell
        self._queue = ""

    async def start(self) -> None:
        """Subscribe; raises MessagingError when the file cannot be written."""
        if self._file is not None:
            _append(self._file, "")
        await self._bus.start()
        try:
            self._queue = await self._bus.subscribe(
                self._on_event, *self._keys, headers=self._headers, match=self._match
            )
        except BaseException:
            await self._bus.stop()
            raise

    def tell_waiting(self) -> None:
        """Tell what this listener waits for."""
        keys, headers = " ".join(self._keys), dict(self._headers or {})
        self._tell(Step("waiting", self._bus.exchange.name, keys, self._queue, headers=headers, note=HOW_TO_END))

    async def stop(self) -> None:
        """End the subscription, which deletes its queue."""
        await self._bus.stop()

    def handle(self, event: Event) -> str:
        """Do what this listener does with an event; returns what it found out."""
        return ""

    async def _on_event(self, event: Event) -> None:
        step = Step(
            "handled",
            event.exchange,
            event.routing_key,
            self._queue,
            event.message_id,
            event.data,
            dict(event.headers),
            self.handle(event),
        )
        try:
            if self._file is not None:
                line = {"key": event.routing_key, "headers": dict(event.headers), "data": event.data}
                _append(self._file, json.dumps(line, ensure_ascii=False, default=str) + "\n")
            self._tell(step)
        except (MessagingError, OSError) as error:
            self.ending.fail(error)
        self.ending.count()


class MediaClient(Listener):
    """A listener to one type of message, which knows what to do with it."""

    def __init__(self, url: str, exchange: Exchange, media_type: str, file: Path, ending: Ending, tell: Tell) -> None:
        super().__init__(url, exchange, (media_type,), None, "all", file, ending, tell)

    def handle(self, event: Event) -> str:
        """Count the pixels of an image, or the words of a text."""
        data = event.data if isinstance(event.data, dict) else {}
        if event.routing_key == IMAGE:
            return f"{data.get('width', 0) * data.get('height', 0)} pixels"
        return f"{len(str(data.get('text', '')).split())} words"


class TellingLogger(Logger):
    """A logger that tells the events of both levels."""

    def __init__(self, config: LoggerConfig, ending: Ending, tell: Tell) -> None:
        super().__init__(config)
        self._ending = ending
        self._tell = tell

    async def handle_info(self, data: Any) -> None:
        """Tell an event of the level info."""
        self._on_event(INFO, data)

    async def handle_critical(self, data: Any) -> None:
        """Tell an event of the level critical."""
        self._on_event(CRITICAL, data)

    def _on_event(self, level: str, data: Any) -> None:
        self._tell(Step("handled", self.config.name, level, data=data))
        self._ending.count()


async def _serve(listener: Listener) -> None:
    await listener.ending.serve(listener, listener.tell_waiting)


def _media(media_type: str, number: int) -> dict[str, Any]:
    if media_type == IMAGE:
        return {"type": IMAGE, "number": number, "width": 640, "height": 480}
    return {"type": media_type, "number": number, "text": f"This is message {number}."}


def _append(file: Path, line: str) -> None:
    try:
        with file.open("a", encoding="utf-8") as log:
            log.write(line)
    except OSError as error:
        raise MessagingError(f"{file} cannot be written: {error.strerror}.") from None
