"""`python -m app.report_worker`: makes the reports that are asked for over RabbitMQ, in the queue weather.reports."""

from app.program import refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import asyncio
import logging
import os
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.messaging.errors import BrokerUnreachable
from app.messaging.names import REPORTS
from app.messaging.program import run_with_rabbitmq
from app.messaging.roles.serving import Ending
from app.messaging.rpc import RpcServer, RpcServerConfig
from app.reporting.errors import NoRows
from app.reporting.order import NO_ROWS, Order
from app.reporting.period import Period
from app.reporting.processes import Processes
from app.settings import Settings
from beat_schedule import COLLECT_MINUTES

MOST_PROCESSES: Final = 4
RETRY_SECONDS: Final = 2.0
STOP_SECONDS: Final = 15.0
DRAWING_SECONDS: Final = 10.0
"""The web front waits no longer than that for a report."""
WITHOUT_RABBITMQ: Final = (
    "No RabbitMQ is configured, so the Celery worker makes the reports and this program has nothing to do. "
    "Set RABBITMQ_URL, as amqp://guest:guest@127.0.0.1:5672//, to use it."
)

logger = logging.getLogger("reports")


class ReportServer(RpcServer):
    """Answers an order with a PDF, or with a sentence when there are no rows to report on."""

    def __init__(self, config: RpcServerConfig, weather_file: Path) -> None:
        super().__init__(config)
        self._weather_file = weather_file
        self._processes = Processes(config.capacity, DRAWING_SECONDS)

    async def start(self) -> None:
        """Begin to answer, when all processes are ready to draw and RabbitMQ is there, however long that takes."""
        try:
            await self._processes.warm_up()
            await self._start_when_there()
        except BaseException:
            await self._processes.close()
            raise

    async def _start_when_there(self) -> None:
        said = ""
        while True:
            try:
                await super().start()
            except BrokerUnreachable as error:
                if str(error) != said:
                    logger.warning("%s Trying again until it is there.", error)
                said = str(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """Take no more orders, finish those that are being worked on, and end the processes."""
        await super().stop()
        await self._processes.close()

    async def handler(self, data: Any) -> bytes | dict[str, str]:
        """Make the report; raises ValueError for what is no order, ReportError when it cannot be made."""
        from app.reporting.document import build_report

        order, now = Order.read(data), datetime.now(UTC)
        period = Period.last_days(order.days, now)
        if order.request_id:
            logger.info("A report is drawn. It belongs to the request %s.", order.request_id)
        try:
            return await self._processes.run(
                build_report, self._weather_file, [order.place], period, now, COLLECT_MINUTES
            )
        except NoRows as error:
            return {NO_ROWS: str(error)}


def main() -> int:
    """Make reports until SIGTERM or Ctrl-C. Returns 0 then, 1 when it could not; exits with 2 for wrong use."""
    options = _parser().parse_args()
    without = _idle if options.idle_without_rabbitmq else partial(refuse, WITHOUT_RABBITMQ)
    return run_with_rabbitmq(partial(_serve, options.processes), without, logging.INFO)


async def _serve(processes: int, url: str, settings: Settings) -> None:
    config = RpcServerConfig(url, REPORTS.name, capacity=processes, stop_timeout=STOP_SECONDS)
    server = ReportServer(config, settings.weather_file)
    await Ending().serve(server, lambda: logger.info("Ready to make reports, up to %d at once.", processes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.report_worker", description="Make the reports that are asked for over RabbitMQ."
    )
    parser.add_argument(
        "--processes",
        type=int,
        choices=range(1, MOST_PROCESSES + 1),
        default=min(os.cpu_count() or 1, MOST_PROCESSES),
        help="how many reports are made at once; by default one for each processor",
    )
    parser.add_argument(
        "--idle-without-rabbitmq",
        action="store_true",
        help="do nothing, instead of ending, where no RabbitMQ is configured (`make up` ends with its first program)",
    )
    return parser


def _idle() -> int:
    logger.info(WITHOUT_RABBITMQ)
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    run_program(main)
