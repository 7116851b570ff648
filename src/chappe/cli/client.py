"""The API, as the demo calls it: the way a customer's program would."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

from chappe.messaging import ChappeError

ANSWER_S = 60.0


class ApiError(ChappeError):
    """The API answered with a problem, or not at all."""


class Client:
    def __init__(self, host: str, port: int, key: str) -> None:
        self._place = (host, port)
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer's JSON. Raises ApiError with the problem's own words."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        kind = "text/csv; charset=utf-8" if isinstance(body, str) else "application/json"
        connection = http.client.HTTPConnection(*self._place, timeout=ANSWER_S)
        try:
            connection.request(method, path, data, {**self._headers, "Content-Type": kind, **headers})
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise ApiError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        found = json.loads(content) if content else None
        if response.status >= 400:
            problems = [f"{one['field']}: {one['message']}" for one in (found or {}).get("errors", [])]
            raise ApiError(f"{method} {path}: {'; '.join(problems) or (found or {}).get('detail', response.status)}")
        return found

    def items(self, path: str) -> list[Any]:
        """Everything of a list that comes in pages."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=500&cursor={cursor}")
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                return found


def wait(condition: Callable[[], Any], seconds: float, what: str, every_s: float = 0.1) -> Any:
    """What `condition` gives once it gives something. Raises ApiError when that does not happen in time."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise ApiError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(every_s)
