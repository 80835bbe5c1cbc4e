"""Requests made from the OpenAPI document: whatever is sent, the answer is a documented one and no failure."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.celery import Worker
from tests.services.web import WebFront

SECONDS = 15
LIMIT = 100
NOT_CHECKED = "positive_data_acceptance"
"""A document cannot say which parameters each workflow has, nor that a file must be a picture."""

REFUSED = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]
"""
"""By default, 413 is no way to refuse a list that is too long."""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """The web front of a laptop, with a worker."""
    folder = tmp_path_factory.mktemp("schema")
    settings = {"DATA_DIR": str(folder / "data"), "SMTP_URL": "smtp://127.0.0.1:9"}
    worker = Worker(folder / "worker", settings, pool="threads", concurrency=4, arguments=("-Q", "celery,polarity"))
    with WebFront(folder / "front", settings) as started:
        try:
            worker.start()
            yield started
        finally:
            worker.kill()


@pytest.mark.timeout(120)
def test_every_answer_is_a_documented_one(front: WebFront, tmp_path: Path) -> None:
    """Requests right and wrong, within the time of a test run: none fails, and each answer is one of the document."""
    options = f"--max-time {SECONDS} --seed 1 --request-timeout 12 --exclude-checks {NOT_CHECKED} --no-color"
    (tmp_path / "schemathesis.toml").write_text(REFUSED)
    run = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", f"{front.url}/openapi.json", *options.split()],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr
    assert "Traceback" not in front.log()
