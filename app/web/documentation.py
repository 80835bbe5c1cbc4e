"""The documentation of the API at /docs, made of its OpenAPI document.

FastAPI's own page loads its program from another site, which neither a machine without the internet nor our content
security policy allows; this one needs no program at all.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid #8886; margin-top: 1.5rem }
code, pre { font: .9rem/1.4 ui-monospace, monospace }
pre { overflow-x: auto; padding: .5rem; border: 1px solid #8886 }
h2 code { font-size: 1.1rem }
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show(request: Request) -> Response:
    """The documentation."""
    return HTMLResponse("".join(_page(request.app.openapi())))


@router.get("/docs.css")
async def style() -> Response:
    """How the documentation looks."""
    return Response(STYLE, media_type="text/css")


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: the API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/docs.css">'
        f"</head><body><h1>{title}: the API</h1><p>{escape(document['info']['description'])}</p>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>. Errors are problem details (RFC 9457) with one '
        "sentence in <code>detail</code>.</p>"
    )
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _operation(f"{method.upper()} {path}", operation)
    yield "<section><h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
    yield "</section></body></html>"


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h2><code>{escape(title)}</code></h2><p><b>{escape(operation.get('summary', ''))}</b></p>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    if parameters := operation.get("parameters"):
        yield f"<details><summary>Parameters</summary>{_json(parameters)}</details>"
    if body := operation.get("requestBody"):
        yield f"<details><summary>Body</summary>{_json(body['content'])}</details>"
    yield f"<details><summary>Answers</summary>{_json(operation['responses'])}</details></section>"


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
