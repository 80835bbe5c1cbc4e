"""A broker that is killed, frozen or has lost a queue."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from celery import uuid

from app.sending import BrokerAway, send_within
from tests.faults.finding import Finding, Row, counted
from tests.faults.scene import QUEUE, Scene
from tests.waiting import wait_until

TASKS = 300
SENDS = 1000
FROZEN_SECONDS = 25.0
TASK_SECONDS = 8.0
WEB_LIMIT = 2.0
OVERHEAD = 0.5


@dataclass
class Sent:
    """What a producer was told: the ids of what was accepted, how much was refused, the longest call in seconds."""

    accepted: set[str] = field(default_factory=set)
    refused: int = 0
    longest: float = 0.0


def send_many(scene: Scene, count: int, at: Mapping[int, Callable[[], object]]) -> Sent:
    """Send tasks, and do something before some of them."""
    sent = Sent()
    for number in range(count):
        if number in at:
            at[number]()
        task_id, started = uuid(), time.monotonic()
        try:
            scene.send("work", task_id, task_id=task_id, ignore_result=True)
            sent.accepted.add(task_id)
        except Exception:
            sent.refused += 1
        sent.longest = max(sent.longest, time.monotonic() - started)
    return sent


def compare(scene: Scene, sent: Sent) -> Finding:
    """What was accepted and is not in the queue has been lost without a word."""
    lost = len(sent.accepted - scene.waiting_ids())
    return counted(not lost, silently_lost=lost, refused=sent.refused, longest_call_s=sent.longest)


def killed_under_workers(scene: Scene) -> Finding:
    """The broker is killed in the middle of a run, and started again."""
    scene.worker()
    keys = scene.send_work(TASKS, 0.02)
    scene.wait_for_effects(TASKS // 3)
    scene.kill_broker()
    scene.node.start()
    return scene.settle(keys)


def killed_under_a_producer(scene: Scene) -> Finding:
    """The broker is killed after a third of the messages, and started again at once."""
    restart = None

    def kill() -> None:
        nonlocal restart
        scene.kill_broker()
        restart = scene.later(0.5, scene.node.start)

    sent = send_many(scene, SENDS, {SENDS // 3: kill})
    assert restart is not None
    restart.join()
    wait_until(scene.node.is_ready, 60, "the broker is back")
    return compare(scene, sent)


def queue_deleted(scene: Scene) -> Finding:
    """The queue is deleted, which the producer has used before."""
    send_many(scene, 1, {})
    scene.node.api("DELETE", f"queues/{scene.vhost.name}/{QUEUE}").raise_for_status()
    sent = send_many(scene, 100, {})
    if QUEUE in scene.vhost.queues():
        return compare(scene, sent)
    return counted(not sent.accepted, silently_lost=len(sent.accepted), refused=sent.refused)


def frozen(scene: Scene) -> Finding:
    """The broker is stopped by a signal for 25 s; meanwhile a web request, too, wants to send."""
    waits: list[float] = []

    def thaw_later() -> None:
        scene.node.send_signal(signal.SIGSTOP)
        scene.later(FROZEN_SECONDS, lambda: scene.node.send_signal(signal.SIGCONT))
        if scene.is_ours:
            waits.extend(send_from_the_web(scene) for _ in range(3))

    sent = send_many(scene, SENDS, {SENDS // 3: thaw_later})
    wait_until(scene.node.is_ready, 60, "the broker goes on")
    found = compare(scene, sent)
    if not scene.is_ours:
        return found
    text = f"{found.text}, a web request waits {max(waits):.1f} s"
    return Finding(found.ok and max(waits) <= WEB_LIMIT + OVERHEAD, text, found.figures | {"web_wait_s": max(waits)})


def send_from_the_web(scene: Scene) -> float:
    """Send as the web front does; returns the seconds that it took to be refused."""
    started = time.monotonic()
    try:
        send_within(scene.signature("work", "from-the-web"), WEB_LIMIT)
    except BrokerAway:
        return time.monotonic() - started
    raise AssertionError("A frozen broker has confirmed a message.")


def consumer_timeout(scene: Scene) -> Finding:
    """The broker takes a consumer for dead that has not acknowledged for 3 s, and closes its channel.

    With early acknowledgement it is not the running tasks that are late, but those fetched ahead of time.
    """
    set_consumer_timeout(scene, 3_000, 1_000)
    try:
        worker = scene.worker()
        keys = scene.send_work(6, TASK_SECONDS)
        found = scene.settle(keys, quiet=TASK_SECONDS * 3)
        exited = not worker.is_running
    finally:
        set_consumer_timeout(scene, 1_800_000, 60_000)
    text = f"{found.text}{', the worker exits' if exited else ''}"
    return Finding(found.ok and not exited, text, found.figures | {"exited": float(exited)})


def set_consumer_timeout(scene: Scene, milliseconds: int, looked_every: int) -> None:
    """Set it for channels that are opened from now on."""
    for name, value in (("consumer_timeout", milliseconds), ("channel_tick_interval", looked_every)):
        scene.evaluate(f"application:set_env(rabbit, {name}, {value}).")


ROWS = (
    Row("broker-killed-workers", "broker killed -9 under workers", "0 lost, 0 doubled", killed_under_workers),
    Row(
        "broker-killed-producer",
        f"broker killed -9 under a producer ({SENDS:,} sends)",
        "0 silently lost",
        killed_under_a_producer,
    ),
    Row("queue-deleted", "queue deleted under a producer (100 sends)", "0 silently lost", queue_deleted),
    Row(
        "broker-frozen",
        f"broker frozen {FROZEN_SECONDS:g} s ({SENDS:,} sends)",
        "0 silently lost, no web request waits more than 2 s",
        frozen,
    ),
    Row("consumer-timeout", "consumer time-out of the broker", "all run, the worker stays", consumer_timeout),
)
