"""What cannot be undone is asked about first, and done when the name of the thing was typed."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render

from chappe.features.form import ConfirmForm
from chappe.features.view import PageRequest


@dataclass(frozen=True)
class Question:
    """What the page says, in the language of the request, and the addresses that it leads to."""

    name: str
    """What is to be typed."""
    title: str
    label: str
    """Of the button that does it."""
    done: str
    """What is said once it is done."""
    next_url: str
    """Where one is then."""
    cancel_url: str
    words: str = ""
    """What it does; the page's own template may say that instead."""


def when_confirmed(
    request: PageRequest, question: Question, act: Callable[[], object], template: str = "console/confirm.html"
) -> HttpResponseBase:
    """Does `act` if this request confirms it, else asks; what `act` refuses, as a service does, is said on the same page."""
    form = ConfirmForm(request.POST or None, name=question.name)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            act()
            messages.success(request, question.done)
            return HttpResponseRedirect(question.next_url)
    return render(request, template, {"form": form, "question": question})
