"""`python -m app.messaging …`: the experiments with RabbitMQ, each role as its own program."""

from app.program import refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import logging
from functools import partial

from app.messaging.command_line import parse_command_line
from app.messaging.program import run_with_rabbitmq
from app.messaging.roles.steps import tell_in_json, tell_in_words

WITHOUT_RABBITMQ = (
    "No RabbitMQ is configured: set RABBITMQ_URL, as amqp://guest:guest@127.0.0.1:5672//, "
    "which is where `make rabbitmq` starts one."
)


def main() -> int:
    """Play one role. Returns 0 when it ended well, 1 when it could not do its part; exits with 2 for wrong use."""
    options = parse_command_line()
    tell = (tell_in_json if options.json else tell_in_words)(options.name or options.role)
    return run_with_rabbitmq(
        lambda url, _: options.play(options, url, tell), partial(refuse, WITHOUT_RABBITMQ), logging.WARNING
    )


if __name__ == "__main__":
    run_program(main)
