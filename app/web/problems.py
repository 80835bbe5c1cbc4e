"""Errors as problem details (RFC 9457): a type, a title, the status, and one sentence that says what is wrong."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from app.sending import BrokerAway
from app.web.documents import Document, encoded
from app.web.store import StoreAway

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "5"


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field("about:blank", description="A URI that names the kind of problem.")
    title: str = Field(description="The kind of problem.")
    status: int = Field(description="The status of the response.")
    detail: str = Field(description="What is wrong, in one sentence.")


Responses = dict[int | str, dict[str, Any]]
DOCUMENTED: Responses = {"default": {"description": "A problem, told in one sentence."}}
"""What every endpoint may answer besides what it is for; app.web.openapi says how a problem looks."""
AWAY: Responses = {503: {"description": "What is needed does not answer; Retry-After says when to ask again."}}
"""What an endpoint answers that needs the broker, the results or a worker."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A response that tells of a problem; `more` are further members of it."""
    title = HTTPStatus(status).phrase
    document: Document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    return Response(encoded(document), status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have `app` answer with problems."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BrokerAway, _away)
    app.add_exception_handler(StoreAway, _away)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    sentence = _SENTENCES.get(error.status_code, error.detail) if _is_phrase(error) else error.detail
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _methods(request)):
        headers["Allow"] = ", ".join(methods)
    return problem(error.status_code, f"{sentence.removesuffix('.')}.", headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    wrong = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
    ]
    return problem(422, f"The request cannot be used: {'; '.join(wrong[:5])}.")


async def _away(request: Request, error: Exception) -> Response:
    where = error.where if isinstance(error, BrokerAway) else {}
    location = {"Location": where["url"]} if where else {}
    return problem(503, str(error), {"Retry-After": RETRY_SECONDS} | location, **where)


def _methods(request: Request) -> list[str]:
    """What this address takes; the router only knows the first endpoint of several at one address."""
    return sorted(
        method.upper()
        for template, methods in request.app.openapi()["paths"].items()
        if compile_path(template)[0].match(request.url.path)
        for method in methods
    )


def _is_phrase(error: HTTPException) -> bool:
    return error.detail == HTTPStatus(error.status_code).phrase


_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take requests of this kind.",
}
