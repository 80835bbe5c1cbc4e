"""Fixtures that every test may ask for: real services, started when they are first needed and shared by the run.

pytest-celery's `celery_setup` is the project's application with one worker, once for each way to run it: a test that
asks for it runs three times.
"""

import contextlib
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from celery import Celery
from pytest_celery import (
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryTestBackend,
    CeleryTestBroker,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
)

from app.settings import read_settings
from tests.services import browser, leftovers
from tests.services import rabbitmq as rabbitmq_service
from tests.services.celery import Worker
from tests.services.containers import ProcessContainer, WorkerContainer
from tests.services.process import LOG_TAIL
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.services.valkey import Valkey
from tests.waiting import wait_until

NO_DATA_DIR = "/dev/null/the-test-gave-no-DATA_DIR"
NO_WEATHER_SERVICE = "http://127.0.0.1:9/the-test-gave-no-weather-service"
LEAVING_TIME = 15.0


def pytest_configure(config: pytest.Config) -> None:
    """Keep the signals and variables of whoever runs the tests away from them, before a test imports the application.

    A test that does not say where data go, or which weather service is asked, fails instead of using the real ones.
    """
    # A shell starts what runs in its background with Ctrl-C ignored, and so would be all that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = pytest.MonkeyPatch()
    config.add_cleanup(environment.undo)
    for name in _variables_of_the_project():
        environment.delenv(name, raising=False)
    environment.setenv("DATA_DIR", NO_DATA_DIR)
    environment.setenv("OPEN_METEO_URL", NO_WEATHER_SERVICE)
    environment.setenv("MET_NORWAY_URL", NO_WEATHER_SERVICE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure the end of what the processes wrote that the test had started."""
    report = yield
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and directory is not None:
        with contextlib.suppress(OSError):  # a process may be tidying up
            for log in sorted(directory.rglob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
                report.sections.append((f"the end of {log.relative_to(directory)}", "\n".join(lines)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded as "seen", and say what was not tested and how to have it tested."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "seen":
                terminalreporter.write_line(f"Seen: {value}.")
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for name, needed in (("RabbitMQ", rabbitmq_service), ("Chromium", browser)):
        if count := sum(needed.NOT_INSTALLED in reason for reason in skipped):
            sentence = f"Not tested: what needs {name} ({count} tests). To test it, {needed.REMEDY}."
            terminalreporter.write_line(sentence, yellow=True)


def _variables_of_the_project() -> set[str]:
    names = set()

    class Asked(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            names.add(name)
            return default

    read_settings(Asked())
    return names


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run when a process that it started is still there after its end; end that process all the same."""
    folder = tmp_path_factory.getbasetemp().resolve()
    with leftovers.watched(folder) as mark:
        yield
        try:
            wait_until(lambda: not leftovers.processes_of_run(mark, folder), LEAVING_TIME, "every process has ended")
        except AssertionError:
            pytest.fail(f"The tests left processes behind: {leftovers.processes_of_run(mark, folder)}", pytrace=False)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """The node of this run; do not break it, start one of your own for that. Take a `vhost` for each test."""
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        yield node.start()
    finally:
        node.kill()  # nothing in it is wanted any more, and an orderly stop takes seconds


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> Iterator[VirtualHost]:
    """An empty virtual host of the node of this run."""
    with rabbitmq.vhost() as vhost:
        yield vhost


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Valkey server of this run; do not break it, start one of your own for that."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session", params=["embedded", "rabbitmq-redis", "rabbitmq-rpc"])
def deployment(request: pytest.FixtureRequest) -> str:
    """The ways to run the project, as broker and results."""
    return str(request.param)


@pytest.fixture(scope="session")
def celery_broker_cluster(deployment: str, request: pytest.FixtureRequest) -> Iterator[CeleryBrokerCluster | None]:
    """A virtual host of RabbitMQ; None leaves the choice to the project, which takes its embedded broker."""
    if deployment == "embedded":
        yield None
        return
    rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")  # not started where it is not needed
    with rabbitmq.vhost() as vhost:
        yield CeleryBrokerCluster(CeleryTestBroker(ProcessContainer(rabbitmq, vhost.url)))


@pytest.fixture(scope="session")
def celery_backend_cluster(
    deployment: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryBackendCluster | None]:
    """A Valkey server; None leaves the choice to the project: the embedded broker, or `rpc://` with RabbitMQ."""
    if deployment != "rabbitmq-redis":
        yield None
        return
    with Valkey(tmp_path_factory.mktemp("results")) as server:
        yield CeleryBackendCluster(CeleryTestBackend(ProcessContainer(server, server.url)))


@pytest.fixture(scope="session")
def celery_worker_cluster_config(
    celery_broker_cluster: CeleryBrokerCluster | None,
    celery_backend_cluster: CeleryBackendCluster | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the workers are given: the clusters that there are, and a data folder."""
    return {
        "celery_broker_cluster_config": celery_broker_cluster and celery_broker_cluster.config(),
        "celery_backend_cluster_config": celery_backend_cluster and celery_backend_cluster.config(),
        "data_dir": str(tmp_path_factory.mktemp("data")),
    }


@pytest.fixture(scope="session")
def celery_setup_cls() -> type[CeleryTestSetup]:
    # Not at the top: it imports the application, which reads the environment that pytest_configure prepares.
    from tests.services.setup import ProjectSetup

    return ProjectSetup


@pytest.fixture(scope="session")
def celery_setup_config(celery_setup_cls: Any, celery_worker_cluster_config: dict[str, Any]) -> dict[str, str]:
    """The environment variables of the project for this deployment."""
    variables: dict[str, str] = celery_setup_cls.config(celery_worker_cluster_config)
    return variables


@pytest.fixture(scope="session")
def celery_setup_app(celery_setup_cls: Any, celery_setup_config: dict[str, str]) -> Iterator[Celery]:
    """The project's application for this deployment; meanwhile the project's tasks are sent by it."""
    with celery_setup_cls.installed_app(celery_setup_config) as app:
        yield app


@pytest.fixture(scope="session")
def celery_worker_cluster(
    celery_setup_app: Celery, celery_setup_config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryWorkerCluster]:
    """One worker for all tests of this deployment; a test that kills it must restart it."""
    worker = Worker(tmp_path_factory.mktemp("worker"), celery_setup_config)
    try:
        yield CeleryWorkerCluster(CeleryTestWorker(WorkerContainer(worker.start()), celery_setup_app))
    finally:
        worker.kill()  # its tasks are done, and an orderly stop takes seconds
