"""pytest-celery's setup for this project: its own application, configured by environment variables."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu.pools
from celery import Celery
from pytest_celery import CeleryTestSetup

from app import embedded
from app.celery import app as project_app
from app.celery import create_app
from app.settings import read_settings


class ProjectSetup(CeleryTestSetup):
    """Brokers, backends and workers, and the project's application for them.

    Where a cluster is None its environment variable is not set, which is how the project is told to use the embedded
    broker, or `rpc://` results.
    """

    @classmethod
    def config(cls, celery_worker_cluster_config: dict[str, Any]) -> dict[str, str]:
        """The environment variables that the workers and the application of the tests are given."""
        clusters = {
            "CELERY_BROKER_URL": celery_worker_cluster_config["celery_broker_cluster_config"],
            "CELERY_RESULT_BACKEND": celery_worker_cluster_config["celery_backend_cluster_config"],
        }
        variables = {name: ";".join(cluster["urls"]) for name, cluster in clusters.items() if cluster}
        return variables | {"DATA_DIR": celery_worker_cluster_config["data_dir"]}

    @classmethod
    def create_setup_app(cls, celery_setup_config: dict[str, str], celery_setup_app_name: str) -> Celery:
        """The project's application for these environment variables, under the project's own name."""
        return create_app(read_settings(os.environ | celery_setup_config))

    @classmethod
    @contextlib.contextmanager
    def installed_app(cls, celery_setup_config: dict[str, str]) -> Iterator[Celery]:
        """That application in the place of the process's own: what calls a task of the project uses it."""
        setup_app = cls.create_setup_app(celery_setup_config, cls.name())
        project_app.loader.import_default_modules()
        tasks = [task for name, task in project_app.tasks.items() if not name.startswith("celery.")]
        _bind(tasks, setup_app)
        try:
            yield setup_app
        finally:
            _bind(tasks, project_app)
            _disconnect(setup_app)
            embedded.leave(Path(celery_setup_config["DATA_DIR"]))


def _bind(tasks: list[Any], celery_app: Celery) -> None:
    for task in tasks:
        task.bind(celery_app)
        type(task).app = celery_app  # the decorator has set it, and bind leaves it alone
    celery_app.set_current()


def _disconnect(celery_app: Celery) -> None:
    backend: Any = celery_app.backend
    if getattr(backend.result_consumer, "_connection", "not of rpc"):  # that of rpc cannot be stopped unless started
        backend.result_consumer.stop()
        # Results that are collected later would connect again to unsubscribe.
        getattr(backend.result_consumer, "subscribed_to", set()).clear()
    if client := backend.__dict__.get("_plain_client"):  # that of Redis; to ask for it would make one
        client.close()
    kombu.pools.reset()
    celery_app.close()
