"""The form in which a person gives the token; programs send it with each request."""

import asyncio
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.web.access import COOKIE, SESSION_SECONDS, is_same, make_session
from app.web.services import ServicesOf

WRONG_SECONDS = 1.0
"""How long a wrong token waits for its answer: guessing is to be slow."""

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Weatherbeat</title>
  <link rel="stylesheet" href="/login.css">
</head>
<body>
  <main>
    <h1>Weatherbeat</h1>
    <form method="post">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
      <button type="submit">Log in</button>
      <p role="alert">{message}</p>
    </form>
    <p>It is the WEB_TOKEN with which the web front was started.</p>
  </main>
</body>
</html>
"""
STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 22rem; margin: 15vh auto; padding: 0 1rem }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input, button { padding: .5rem; margin: .25rem 0 1rem }
[role=alert] { font-weight: bold }
"""

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_form() -> Response:
    """The form."""
    return HTMLResponse(PAGE.format(message=""))


@router.get("/login.css")
async def style() -> Response:
    """How the form looks."""
    return Response(STYLE, media_type="text/css")


@router.post("/login")
async def log_in(request: Request, services: ServicesOf) -> Response:
    """Give whoever knows the token a cookie that stands for it."""
    fields = parse_qs((await request.body()).decode(errors="replace"))
    token = services.settings.web_token
    if token is None or is_same(fields.get("token", [""])[0].strip(), token):
        answer = RedirectResponse("/", 303)
        if token is not None:
            is_secure = request.url.scheme == "https"
            value = make_session(token)
            answer.set_cookie(COOKIE, value, SESSION_SECONDS, httponly=True, samesite="strict", secure=is_secure)
        return answer
    await asyncio.sleep(WRONG_SECONDS)
    return HTMLResponse(PAGE.format(message=escape("That is not the token.")), 401)
