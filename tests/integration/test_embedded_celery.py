"""Celery on the embedded broker: its programs start it, share it, heal when it is killed, and end it."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app import embedded
from tests.services.celery import Worker
from tests.services.embedded import client, keepers, processes, servers
from tests.services.valkey import Valkey
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

PROJECT = Path(__file__).parents[2]
LIMIT = 10.0


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose broker must be gone after the test."""
    folder = tmp_path / "var"
    yield folder
    embedded.leave(folder)
    wait_until(lambda: not processes(folder), LIMIT, "no process of the broker is left")


@pytest.fixture
def run(data_dir: Path) -> Callable[..., str]:
    """Run a Python program that uses the project, and return what it printed, errors included."""

    def run(*arguments: str, exit_code: int = 0) -> str:
        process = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=os.environ | {"DATA_DIR": str(data_dir)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=40,
            check=False,
        )
        assert process.returncode == exit_code, process.stdout
        return process.stdout.strip()

    return run


@pytest.fixture
def worker(data_dir: Path, tmp_path: Path) -> Worker:
    """A worker of the project that is not started yet."""
    return Worker(tmp_path / "worker", {"DATA_DIR": str(data_dir)})


MANY = 100
SEND_MANY = f"""
from tasks.arithmetic import add
results = [add.delay(number, 0) for number in range({MANY})]
print("sent", flush=True)
print(sum(result.get(timeout=50) for result in results), flush=True)
"""
HALF = """
import sys
from pathlib import Path
from celery import Celery
from app import embedded

data_dir, elsewhere, broker, results, queue = sys.argv[1:]
urls = {"embedded": embedded.url(Path(data_dir)), "elsewhere": elsewhere}
app = Celery(broker=urls[broker], backend=urls[results])
embedded.install(app, Path(data_dir))
result = app.send_task("any", queue=queue)
app.backend.store_result(result.id, 4, "SUCCESS")
assert result.get(timeout=10) == 4
print(result.id)
"""
SEND = "from tasks.arithmetic import add; print(add.delay({}, {}))"
GET = "from app.celery import app; print(app.AsyncResult('{}').get(timeout=20))"


def test_a_worker_and_a_producer_meet(worker: Worker, run: Callable[..., str], data_dir: Path) -> None:
    """A task that is sent comes back with its result, and the server goes with the last program."""
    with worker:
        assert run("-c", "from tasks.arithmetic import add; print(add.delay(2, 2).get(timeout=20))") == "4"
        assert len(servers(data_dir)) == 1
    wait_until(lambda: not processes(data_dir), LIMIT, "the server ends with the worker")


def test_programs_need_not_run_at_the_same_time(worker: Worker, run: Callable[..., str], data_dir: Path) -> None:
    """What was sent when no worker ran is done by the next one, and its result is there for who asks later."""
    task_id = run("-c", SEND.format(2, 2))
    wait_until(lambda: not processes(data_dir), LIMIT, "the server ends with the producer")
    with worker:
        wait_until(lambda: "succeeded" in worker.log(), LIMIT, "the worker has done the task")
    wait_until(lambda: not processes(data_dir), LIMIT, "the server ends with the worker")
    assert run("-c", GET.format(task_id)) == "4"


@pytest.mark.parametrize("killed", [servers, keepers, processes], ids=["server", "keeper", "both"])
def test_work_under_way_survives_a_kill_of_the_broker(
    killed: Callable[[Path], list[psutil.Process]], worker: Worker, data_dir: Path
) -> None:
    """Tasks that wait and results that are waited for arrive, though the broker was killed meanwhile."""
    with (
        worker,
        subprocess.Popen(
            [sys.executable, "-c", SEND_MANY],
            cwd=PROJECT,
            env=os.environ | {"DATA_DIR": str(data_dir)},
            stdout=subprocess.PIPE,
            text=True,
        ) as producer,
    ):
        assert producer.stdout
        assert producer.stdout.readline() == "sent\n"
        for process in killed(data_dir):
            with contextlib.suppress(psutil.NoSuchProcess):  # a server ends by itself when its keeper is killed
                process.kill()
        assert producer.stdout.readline() == f"{sum(range(MANY))}\n"


@pytest.mark.parametrize(
    ("broker", "results"), [("embedded", "elsewhere"), ("elsewhere", "embedded")], ids=["broker", "results"]
)
def test_one_half_may_be_embedded(
    broker: str, results: str, run: Callable[..., str], valkey: Valkey, data_dir: Path
) -> None:
    """Messages or results alone may be embedded; the other half goes to the Redis that was named."""
    queue = str(uuid.uuid4())
    task_id = run("-c", HALF, str(data_dir), valkey.url, broker, results, queue)
    embedded.join(data_dir)
    with contextlib.closing(client(data_dir)) as inside, contextlib.closing(valkey.client()) as outside:
        servers_of = {"embedded": inside, "elsewhere": outside}
        assert [name for name, server in servers_of.items() if server.exists(queue)] == [broker]
        assert [name for name, server in servers_of.items() if server.exists(f"celery-task-meta-{task_id}")] == [
            results
        ]


def test_a_broker_that_cannot_start_is_one_sentence(run: Callable[..., str], data_dir: Path) -> None:
    """Celery's command line says what is wrong with the data folder, without a traceback."""
    data_dir.mkdir()
    (data_dir / "broker").touch()
    shown = run("-m", "celery", "-A", "app", "inspect", "ping", exit_code=69)
    assert "Traceback" not in shown
    assert shown.endswith(f"Reason: The embedded broker cannot work in {data_dir}/broker: File exists.")


def test_nothing_is_started_by_an_import(run: Callable[..., str], data_dir: Path) -> None:
    """Whoever only imports the application starts and makes nothing."""
    run("-c", "import app.celery, tasks.arithmetic")
    assert not data_dir.exists()


def test_the_task_of_a_killed_worker_goes_to_the_next(
    worker: Worker, run: Callable[..., str], tmp_path: Path, data_dir: Path
) -> None:
    """What a worker was doing when it was killed is done by the next one at once, not when a time-out is over."""
    with worker:
        task_id = run("-c", "from tasks.long_running import count; print(count.delay(3, 3))")
        wait_until(lambda: task_id in worker.log(), LIMIT, "the worker has the task")
        worker.kill()
    with Worker(tmp_path / "next", {"DATA_DIR": str(data_dir)}):
        assert run("-c", GET.format(task_id)) == "3"
