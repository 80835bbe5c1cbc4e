"""Addresses of requests."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit


def endpoint(url: str, standard_path: str) -> str:
    """`url` as it is when it has a path; with the service's standard path when it only names a server."""
    parts = urlsplit(url)
    path = standard_path if parts.path in ("", "/") else parts.path
    return urlunsplit(parts._replace(path=path, fragment=""))


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """`url` with `parameters` after those that it has; commas stay readable."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters, safe=","))))
    return urlunsplit(parts._replace(query=query))


def coordinate(degrees: float, decimals: int) -> str:
    """`degrees` with at most so many decimals, never as an exponent or as minus zero."""
    text = f"{degrees:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
