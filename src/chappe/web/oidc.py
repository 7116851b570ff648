"""Sign-in by an OpenID Connect provider, as allauth wants to be told."""

from typing import Any

from chappe.engine.configuration import Configuration


def sign_in_providers(configuration: Configuration) -> dict[str, Any]:
    """The one provider that the configuration names; none where it names none."""
    if not (configuration.oidc_url and configuration.oidc_client_id):
        return {}
    app = {
        "provider_id": "staff",
        "name": configuration.oidc_name,
        "client_id": configuration.oidc_client_id,
        "secret": configuration.oidc_client_secret,
        "settings": {"server_url": configuration.oidc_url, "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}
