"""An e-mail provider of nobody's: one message in JSON, with a subject, to an address."""

from typing import Any

from ..http_server import Answer
from .custom import Custom, declined
from .message import Text


class Esp(Custom):
    """`POST /esp/messages` takes `{"to", "from", "subject", "html", "reference", "callback"}`; a member may stand deeper
    than at the top, its name being a path with dots such as `to.0.email`."""

    KEY = "esp"
    LABEL = "an e-mail provider"
    ACCOUNT = {**Custom.ACCOUNT, "auth": "basic", "text_field": "html", "subject_field": "subject"}
    READ = "opened"

    def check_text(self, text: Text, values: dict[str, Any]) -> None:
        """Raises Decline where it is no e-mail."""
        name, at, host = text.recipient.rpartition("@")
        if not (name and at and host):
            raise declined(422, "invalid_to")
        subject = self.member(values, "subject")
        if not isinstance(subject, str) or not subject:
            raise declined(422, "missing_subject")

    def failed(self, status: int) -> Answer:
        return declined(status, "mailer_unavailable").answer
