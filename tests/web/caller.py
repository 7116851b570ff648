"""A client that speaks to the API as a program does: with a key, in JSON, through all of Django."""

import json
from typing import Any

from django.test import Client

from chappe.features.accounts.models import Organisation


class Answer:
    """What came back: status, headers, and the JSON."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.type: str = response.headers.get("Content-Type", "")
        self.headers = response.headers
        self.text: str = response.content.decode()
        self.json: Any = json.loads(self.text) if self.text and "json" in self.type else None

    @property
    def fields(self) -> dict[str, str]:
        """What the problem says of each field."""
        return {error["field"]: error["message"] for error in self.json["errors"]}


class Caller:
    """A program with an API key of one organisation."""

    def __init__(self, organisation: Organisation, secret: str) -> None:
        self.organisation = organisation
        self.secret = secret
        self._client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {secret}"})

    def get(self, path: str, **query: str | int) -> Answer:
        return Answer(self._client.get(path, query))

    def post(self, path: str, content: object = None) -> Answer:
        return self._send("POST", path, content)

    def patch(self, path: str, content: object) -> Answer:
        return self._send("PATCH", path, content)

    def delete(self, path: str) -> Answer:
        return Answer(self._client.delete(path))

    def raw(self, method: str, path: str, content: bytes, media_type: str = "application/json") -> Answer:
        return Answer(self._client.generic(method, path, content, content_type=media_type))

    def _send(self, method: str, path: str, content: object) -> Answer:
        return self.raw(method, path, b"" if content is None else json.dumps(content).encode())
