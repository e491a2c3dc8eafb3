"""The dashboard: one page that carries its style and script, and may load nothing else.

The page is put together at import from the files in `page/`. The policy names its own two pieces
by their hashes, so a text that found its way into the page could never run.
"""

import base64
import hashlib
from importlib.resources import files

from aiohttp import web

from wallet_provisioning.http.api.routing import Access, Answer, Route


def _piece(name: str) -> str:
    return files("wallet_provisioning.http.api").joinpath("page", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_STYLE = _piece("dashboard.css")
_SCRIPT = _piece("addresses.js") + _piece("dashboard.js")
_PAGE = _piece("dashboard.html").replace("/*STYLE*/", _STYLE).replace("/*SCRIPT*/", _SCRIPT)
POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src {_hash(_STYLE)}",
        f"script-src {_hash(_SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)


async def show_dashboard(_: web.Request) -> web.Response:
    """Answer with the page; it asks for what it shows by itself, with a token where one is needed."""
    return web.Response(
        text=_PAGE,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"},
    )


ROUTES = (
    Route(
        method="GET",
        path="/",
        handler=show_dashboard,
        access=Access.OPEN,
        name="showDashboard",
        summary="The dashboard.",
        answer=Answer(shape=None, media_type="text/html"),
    ),
)
