"""The OpenAPI document says what is answered, right and wrong, and how the token is sent."""

from typing import Any

import pytest

from app.celery import app
from app.settings import get_settings
from app.web.application import create_application

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    application = create_application(app, get_settings())
    assert application.openapi() == application.openapi()
    return application.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_has_a_summary_and_tells_how_a_problem_looks(document: dict[str, Any]) -> None:
    """Whatever is no success is a problem, by its own media type; every success has a body that is described."""
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert all(tag == tag.lower() for tag in operation["tags"]), name
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                assert all(content["schema"] for content in response["content"].values()), name
            else:
                assert response["content"] == PROBLEM, name
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("POST /mails", "202 401 403 404 413 415 421 422 503 default"),
        ("POST /pictures", "202 401 403 413 415 421 422 503 507 default"),
        ("GET /pictures/{picture_id}/{size}", "200 401 403 404 421 422 default"),
        ("GET /reports/{place}", "200 401 403 404 421 422 502 503 504 default"),
        ("POST /api/workflows/{name}/runs", "202 401 403 404 413 415 421 422 503 default"),
        ("GET /api/runs", "200 401 403 421 503 default"),
    ],
)
def test_the_statuses_that_occur_are_named(document: dict[str, Any], operation: str, statuses: str) -> None:
    """Not only success and "default"."""
    assert list(operations(document)[operation]["responses"]) == statuses.split()


def test_what_is_no_json_says_so(document: dict[str, Any]) -> None:
    """A thumbnail, a report and a stream of events."""
    kinds = {
        name: list(each["responses"].get("200", {}).get("content", {})) for name, each in operations(document).items()
    }
    assert kinds["GET /pictures/{picture_id}/{size}"] == ["image/webp"]
    assert kinds["GET /reports/{place}"] == ["application/pdf"]
    assert kinds["GET /api/runs/{run_id}/events"] == ["text/event-stream"]


def test_the_token_is_declared_and_not_always_wanted(document: dict[str, Any]) -> None:
    """As a bearer token; where none is set, nobody is asked for it."""
    (name,) = document["components"]["securitySchemes"]
    scheme = document["components"]["securitySchemes"][name]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{name: []}, {}]
