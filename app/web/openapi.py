"""The OpenAPI document: what FastAPI makes of the endpoints, and what it cannot know about their answers."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from app.web.problems import MEDIA_TYPE, Problem

PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "The WEB_TOKEN with which the web front was started; without one, nobody is asked for it.",
}
SENTENCES = {
    401: "The token is missing or wrong.",
    403: "Another site has had this request made.",
    404: "There is no such thing.",
    413: "The body, or what is in it, is too large.",
    415: "The body is not of the kind that is wanted.",
    421: "The server is not asked by one of its names.",
    422: "The request cannot be used.",
}
EVERYWHERE = (401, 403, 421)


def complete(application: FastAPI) -> None:
    """Have the document of `application` tell of problems and of the token."""
    plain = application.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        components = document["components"]
        if "securitySchemes" not in components:  # FastAPI keeps the document, and gives it again
            components["schemas"]["Problem"] = Problem.model_json_schema()
            components["securitySchemes"] = {"token": TOKEN}
            document["security"] = [{"token": []}, {}]
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _add_problems(path, operation)
        return document

    application.openapi = openapi  # type: ignore[method-assign]


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status in (*EVERYWHERE, *_by_its_form(path, operation)):
        responses.setdefault(str(status), {"description": SENTENCES[status]})
    for status, response in responses.items():
        if not status.startswith("2"):
            response["content"] = PROBLEM
    operation["responses"] = dict(sorted(responses.items()))


def _by_its_form(path: str, operation: dict[str, Any]) -> Iterator[int]:
    if "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from (413, 415)
    if "requestBody" in operation or "parameters" in operation:
        yield 422
