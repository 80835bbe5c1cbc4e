"""pytest-celery over local processes: the same test on every way to run the project."""

from pytest_celery import CeleryTestSetup

from tasks.arithmetic import add


def test_a_task_gives_its_result(celery_setup: CeleryTestSetup) -> None:
    """A task of the project, called as a user calls it, runs on the worker of each deployment."""
    assert add.delay(2, 2).get(timeout=10) == 4
    celery_setup.worker.assert_log_exists("tasks.arithmetic.add", timeout=10)


def test_a_killed_worker_comes_back(celery_setup: CeleryTestSetup) -> None:
    """The worker node dies of a kill, and works again after a restart, for the same application."""
    celery_setup.worker.kill()
    assert celery_setup.worker.container.status == "exited"
    celery_setup.worker.restart()
    assert celery_setup.ready(control=True)
    assert add.delay(2, 3).get(timeout=10) == 5


def test_the_worker_is_known_by_its_host_name(celery_setup: CeleryTestSetup) -> None:
    """The node's host name is the one under which Celery knows the worker."""
    assert list(celery_setup.app.control.inspect(timeout=5, limit=1).ping()) == [celery_setup.worker.hostname()]
