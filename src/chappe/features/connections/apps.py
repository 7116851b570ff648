from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "chappe.features.connections"
    label = "connections"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.connections import wall
        from chappe.features.live import TOPICS, Topic

        TOPICS["links"] = Topic(wall.fingerprint, Right.SEE_CONNECTIONS)
        from chappe.features.connections import replacement, trail  # noqa: F401 - they name a kind of job, and what is followed
