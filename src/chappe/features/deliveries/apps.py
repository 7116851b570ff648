from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "chappe.features.deliveries"
    label = "deliveries"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.contacts.forgetting import FORGETTING
        from chappe.features.deliveries import services, trail  # noqa: F401 - kinds of jobs, and what is followed
        from chappe.features.deliveries.progress import fingerprint, proof_fingerprint
        from chappe.features.deliveries.proof import forget_person
        from chappe.features.live import TOPICS, Topic

        TOPICS["delivery"] = Topic(fingerprint, Right.SEE_DELIVERIES)
        TOPICS["proof"] = Topic(proof_fingerprint, Right.USE_DELIVERIES)
        FORGETTING.append(forget_person)
