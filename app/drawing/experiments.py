"""Experiments in a terminal: each message on its way from the sender through the exchange to whoever handles it."""

from rich.console import Console, RenderableType
from rich.text import Text
from rich.tree import Tree

from app.drawing import screen
from app.drawing.screen import Outcome
from app.experiments.journey import Delivery, Message, journeys
from app.experiments.run import Run
from app.experiments.trace import RABBITMQ, text
from app.messaging.roles.steps import Step

STYLES = {
    "received": ("▶", "yellow"),
    "handled": ("✔", "green"),
    "failed": ("✘", "red"),
    "retried": ("↻", "magenta"),
    "dead-lettered": ("⊘", "red"),
}
RETURNED = ("↩", "yellow")
UNDER_WAY = ("·", "dim")
SHOWN_NAME = 16
"""Characters of a queue's name that nobody chose."""


def picture(run: Run, console: Console) -> RenderableType:
    """An experiment as it stands: what it shows, its commands, and the ways of its messages."""
    code = screen.code("\n".join(run.commands), "bash", console)
    return screen.sheet(run.name, run.experiment.summary, code, message_tree(run), console)


def outcome(run: Run) -> Outcome:
    """What was seen, beside what must be."""
    shown = screen.value if run.ok else str  # what differs may stand anywhere
    result = run.skipped or " ".join(filter(None, (run.error, shown(run.seen))))
    expected = shown(run.experiment.expected)
    return Outcome(run.name, run.ok, result, expected, run.seconds, skipped=run.skipped is not None)


def message_tree(run: Run) -> Tree:
    """Who waits where, and what each message did."""
    messages = journeys(tuple(run.trace.told))
    tree = Tree(_place(run), guide_style="dim")
    for who in run.trace.waiting():
        if line := _listener(who, run):
            tree.add(line)
    for message in messages:
        _grow(tree, message)
    if run.skipped:
        tree.add(Text(run.skipped, "yellow"))
    if run.error:
        tree.add(Text(run.error, "red"))
    return tree


def _place(run: Run) -> Text:
    exchanges = [told.step.exchange for told in run.trace.told if told.step.exchange]
    queues = [told.step.queue for told in run.trace.told if told.step.queue]
    if run.experiment.kind is None:
        return Text.assemble("default exchange → queue ", (queues[0] if queues else "", "bold"))
    return Text.assemble("exchange ", (exchanges[0] if exchanges else "", "bold"), f" ({run.experiment.kind})")


def _listener(who: str, run: Run) -> Text | None:
    step = run.trace.steps(who, "waiting")[0]
    if who == RABBITMQ:
        return Text.assemble((f"{who}: ", "bold"), step.note)
    if step.data is not None:
        return None  # a caller, who waits for an answer
    line = Text.assemble((who, "bold"), " waits")
    if run.experiment.kind is not None:
        line.append(_address(step)).append(f"  queue {_short(step.queue)}" if step.queue else "", "dim")
    count = len(run.trace.steps(who, "handled"))
    return line.append(f"  {count} handled", "green" if count else "dim")


def _grow(tree: Tree, message: Message) -> None:
    line = Text.assemble(text(message.step.data), (_address(message.step), "cyan"), (f"  from {message.sender}", "dim"))
    if message.returned:
        line.append(f" {RETURNED[0]} came back: no queue takes it", RETURNED[1])
    elif not message.deliveries:
        line.append(" ").append(*UNDER_WAY)
    elif len(message.deliveries) == 1:
        line.append(" → ").append_text(_delivery(message.deliveries[0]))
    if message.answer:
        line.append(" → answer ").append(message.answer, "green")
    branch = tree.add(line)
    if len(message.deliveries) > 1:
        for delivery in message.deliveries:
            branch.add(_delivery(delivery))


def _address(step: Step) -> str:
    """What an exchange decides by: the key, or the headers."""
    headers = ", ".join(f"{name}={value}" for name, value in (step.headers or {}).items() if name != "x-match")
    return f"  {headers}" if headers else f"  {step.routing_key}" if step.exchange and step.routing_key else ""


def _short(queue: str) -> str:
    return queue if len(queue) <= SHOWN_NAME else f"{queue[: SHOWN_NAME - 1]}…"


def _delivery(delivery: Delivery) -> Text:
    glyph, style = STYLES.get(delivery.action, UNDER_WAY)
    return Text.assemble((f"{glyph} ", style), delivery.who, (f"  {delivery.note}" if delivery.note else "", "dim"))
