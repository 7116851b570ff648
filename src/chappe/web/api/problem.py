"""Errors as problem details (RFC 9457), whoever raised them: a route, the framework around it, or nobody at all."""

import http
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import ConfigError, FieldError

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/v1/"

PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "RFC 9457 problem details; `errors` names each field that cannot be used.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
PROBLEM_RESPONSE = {
    "description": "A problem; nothing was changed.",
    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

log = structlog.get_logger(__name__)


class NotSignedIn(Exception):
    """Nobody who may call; `challenge` says how to sign in (RFC 9110, 11.6.1)."""

    def __init__(self, detail: str, challenge: str) -> None:
        self.challenge = challenge
        super().__init__(detail)


class TooOften(Exception):
    """It may be tried again after `retry_s`."""

    def __init__(self, detail: str, retry_s: int) -> None:
        self.retry_s = retry_s
        super().__init__(detail)


def problem(status: int, detail: str, errors: Iterable[FieldError] = ()) -> HttpResponse:
    """An error as the API answers it. `errors` name each field; nobody reads a secret or a message body in it."""
    content: dict[str, object] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    listed = [{"field": error.field, "message": error.message} for error in errors]
    if listed:
        content["errors"] = listed
    response = HttpResponse(json.dumps(content), status=status, content_type=CONTENT_TYPE)
    if status == http.HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="chappe"'
    return response


def install(api: NinjaAPI) -> None:
    """Teach `api` to answer every error that a route can raise."""
    for kind in _ANSWERED:
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, error: object) -> HttpResponse:
    match error:
        case ValidationError():
            return _invalid([_named(one) for one in error.errors])
        case InvalidInput() | ConfigError():
            return _invalid(error.errors)
        case NotFound():
            return problem(404, str(error))
        case Conflict():
            return problem(409, str(error))
        case AuthenticationError():
            return problem(401, "Send an API key that is not revoked: Authorization: Bearer chp_…")
        case NotSignedIn():
            answer = problem(401, str(error))
            answer["WWW-Authenticate"] = error.challenge
            return answer
        case TooOften():
            answer = problem(429, str(error))
            answer["Retry-After"] = str(error.retry_s)
            return answer
        case HttpError(__cause__=InvalidInput() | HttpError() as cause):
            return _answer(request, cause)  # the framework hides what the parser raised behind an error of its own
        case RequestDataTooBig():
            return problem(413, "The body is larger than this address takes.")
        case HttpError():
            return problem(error.status_code, error.message)
        case OperationalError():
            log.error("database does not answer", exc_info=error)
            return problem(503, "The database does not answer now. Try again.")
    return problem(404, "There is nothing at this address.")


_ANSWERED = (
    ValidationError,
    InvalidInput,
    ConfigError,
    NotFound,
    Conflict,
    AuthenticationError,
    NotSignedIn,
    TooOften,
    HttpError,
    RequestDataTooBig,
    OperationalError,
    Http404,
)


class ProblemMiddleware:
    """Makes a problem of every error under /v1 that no route answered: no such address, wrong method, our fault."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_ours = request.path_info.startswith(API_PREFIX) and response.status_code >= http.HTTPStatus.BAD_REQUEST
        if not is_ours or response.headers.get("Content-Type") == CONTENT_TYPE:
            return response
        answer = problem(response.status_code, _DETAILS.get(response.status_code, "The request cannot be answered."))
        if "Allow" in response.headers:
            answer["Allow"] = response.headers["Allow"]
        return answer


_DETAILS = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not answer this method.",
    500: "Something went wrong here; the log of the web process says what.",
}


def _invalid(errors: Sequence[FieldError]) -> HttpResponse:
    names = ", ".join(dict.fromkeys(error.field for error in errors if error.field))
    return problem(422, f"Nothing was changed. Look at: {names}." if names else "Nothing was changed.", errors)


def _named(error: dict[str, Any]) -> FieldError:
    """A pydantic error by the path of its field as the caller wrote it: without "body" and our parameter's name."""
    source, *path = error.get("loc", ("body",))
    if source == "body":
        path = path[1:]
    return FieldError("".join(_step(step) for step in path).removeprefix("."), _words(error))


def _step(step: object) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


def _words(error: dict[str, Any]) -> str:
    match error.get("type"):
        case "missing":
            return "is needed"
        case "extra_forbidden":
            return "is not a field of this request"
    return str(error.get("msg", "cannot be used")).replace("Input should be", "must be")
