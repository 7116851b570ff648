"""The first page: what needs a person now, and how today goes."""

from django.http import HttpResponseBase
from django.shortcuts import render

from chappe.features.view import PageRequest, page


@page()
def home(request: PageRequest) -> HttpResponseBase:
    return render(request, "console/home.html")
