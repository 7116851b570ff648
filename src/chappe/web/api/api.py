"""The API under /v1: its routers, its errors, its OpenAPI description at /v1/openapi.json."""

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.types import DictStrAny

import chappe
from chappe.web.api import (
    callbacks,
    connections,
    consent,
    contacts,
    deliveries,
    delivery_templates,
    hooks,
    inbound,
    messages,
    mid,
    problem,
    qualifications,
    quarantine,
    relay,
)
from chappe.web.api.body import BodyParser
from chappe.web.api.problem import PROBLEM_RESPONSE, PROBLEM_SCHEMA
from chappe.web.intake import description


class Api(NinjaAPI):
    """Describes, beside what a route answers when all is well, the problem that any of them may answer, and the
    addresses of the intake, which is no part of Django."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: DictStrAny | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        schema["components"]["schemas"].update(description.schemas(), Problem=PROBLEM_SCHEMA)
        for path, operation in description.operations().items():
            schema["paths"].setdefault(path, {})["post"] = operation
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = PROBLEM_RESPONSE
        return schema


api = Api(
    title="Chappe",
    version=chappe.__version__,
    description="Messages through your own provider contracts. Errors are problem details (RFC 9457).",
    docs_url=None,  # the bundled page needs inline script, which our content policy refuses
    parser=BodyParser(),
)
problem.install(api)

api.add_router("/connections", connections.router)
api.add_router("/connections", mid.router)
api.add_router("/hooks", hooks.router)
api.add_router("/messages", messages.router)
api.add_router("/inbound", inbound.router)
api.add_router("/callbacks", callbacks.router)
api.add_router("/quarantine", quarantine.router)
api.add_router("/consent", consent.router)
api.add_router("/error-qualifications", qualifications.router)
api.add_router("/delivery-templates", delivery_templates.router)
api.add_router("/relay", relay.router)
# These two name their addresses whole: each answers several.
api.add_router("", contacts.router)
api.add_router("", deliveries.router)
