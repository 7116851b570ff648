"""What is asked about an account of another installation."""

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.form import ConsoleForm


class NetworksForm(ConsoleForm):
    """Where within one's own network the other installation may be called."""

    allowed_networks = forms.CharField(
        label=_("Private networks allowed"),
        required=False,
        max_length=2000,
        help_text=_(
            "Where the other installation is within your own network: 10.0.0.0/8, for instance. Empty: public addresses only."
        ),
    )
