"""A person at the console: every page that they open is looked at as a whole.

Whatever the test is about, each page must be valid HTML with a title, one first heading, unique ids, a label for each
control, a CSRF token in each form that posts, no inline script or style, and our content policy.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
from django.test import Client

from chappe.features.accounts import services
from chappe.features.accounts.models import Organisation, User
from chappe.web.console.middleware import POLICY

NOW_MS = 1_780_000_000_000
UNLABELLED = {"hidden", "submit", "button"}
PASSWORD = "a quiet hill with a tower"


class Page:
    """An answer: its status, its words, its forms."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.status: int = response.status_code
        self.url: str = response.headers.get("Location", "") or response.request["PATH_INFO"]
        is_page = "html" in response.headers.get("Content-Type", "")
        self.html: str = response.content.decode() if is_page and not response.streaming else ""
        self.root: Element | None = None
        if self.html and not 300 <= self.status < 400:
            is_fragment = bool(response.request.get("HTTP_HX_REQUEST"))
            self.root = _parsed(self.html, response.request["PATH_INFO"], is_fragment=is_fragment)
            _check(self.root, self.html, response)

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        assert self.root is not None, f"no page: {self.status}"
        return " ".join(" ".join(self.root.itertext()).split())

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Elements by tag and attributes (`class_` and `for_` for those words)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [one for one in self.all(tag) if all(one.get(name) == value for name, value in wanted.items())]

    def all(self, tag: str) -> list[Element]:
        assert self.root is not None, f"no page: {self.status}"
        return list(self.root.iter(tag))

    def error_of(self, name: str) -> str:
        """What the page says beside a field; "" where it says nothing."""
        (control, *_) = [one for one in self.controls() if one.get("name") == name]
        ids = (control.get("aria-describedby") or "").split()
        said = [one for one in self.all("p") if one.get("id") in ids and one.get("class") == "error"]
        return " ".join("".join(one.itertext()).strip() for one in said)

    def controls(self) -> Iterator[Element]:
        assert self.root is not None
        return (one for one in self.root.iter() if one.tag in ("input", "select", "textarea"))

    def value_of(self, name: str) -> str:
        """What a control holds."""
        (control, *_) = [one for one in self.controls() if one.get("name") == name]
        if control.tag == "textarea":
            return "".join(control.itertext()).removeprefix("\n")
        if control.tag == "select":
            return next((o.get("value", "") for o in control.iter("option") if o.get("selected") is not None), "")
        return control.get("value", "")

    def value_of_id(self, id_: str) -> str:
        """What the control with an id holds."""
        (control,) = [one for one in self.controls() if one.get("id") == id_]
        return control.get("value", "")

    def links(self) -> list[str]:
        return [one.get("href", "") for one in self.all("a")]


class Browser:
    """A signed-in person (or nobody). `follow=True` goes where a redirect leads."""

    def __init__(self, user: User | None = None, language: str = "en") -> None:
        self.user = user
        self.client = Client(raise_request_exception=True, headers={"accept-language": language})
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, *, follow: bool = True, **query: Any) -> Page:
        return Page(self.client.get(path, query, follow=follow))

    def post(self, path: str, values: dict[str, Any] | None = None, *, follow: bool = True, **headers: Any) -> Page:
        return Page(self.client.post(path, values or {}, follow=follow, **headers))


def person(organisation: Organisation, role: str = "administrator", **values: Any) -> User:
    """Somebody of an organisation."""
    number = User.objects.count() + 1
    email = values.pop("email", f"{role}{number}@example.org")
    return User.objects.create_user(
        username=email,
        email=email,
        password=values.pop("password", None),
        organisation=organisation,
        role=role,
        **values,
    )


def organisation(name: str = "Relais") -> Organisation:
    return services.create_organisation(name, NOW_MS)


def _parsed(html: str, path: str, *, is_fragment: bool) -> Element:
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    root = parser.parseFragment(html, container="div") if is_fragment else parser.parse(html)
    wrong = [f"{position}: {html5lib.constants.E[code] % data}" for position, code, data in parser.errors]
    assert not wrong, f"{path} is not valid HTML: {wrong[:5]}"
    assert isinstance(root, Element)
    return root


def _check(root: Element, html: str, response: Any) -> None:
    path = response.request["PATH_INFO"]
    if response.request.get("HTTP_HX_REQUEST"):
        return  # a fragment
    title = root.find(".//title")
    assert title is not None and (title.text or "").strip(" ·"), f"{path} has no title"
    assert root.get("lang"), f"{path} does not say its language"
    assert len(list(root.iter("h1"))) == 1, f"{path} has not one first heading"
    _check_ids(root, path)
    _check_labels(root, path)
    for form in root.iter("form"):
        if form.get("method", "get").lower() == "post":
            names = [one.get("name") for one in form.iter("input")]
            assert "csrfmiddlewaretoken" in names, f"{path}: a form that posts has no CSRF token"
    for one in root.iter():
        inline = [name for name in one.attrib if name == "style" or name.startswith("on")]
        assert not inline, f"{path}: <{one.tag}> has {inline}"
    for script in [*root.iter("script"), *root.iter("style")]:
        is_data = script.get("type") == "application/json"
        assert script.get("src") or is_data, f"{path} has a script or style within the page"
    assert "form-action" in response.headers.get("Content-Security-Policy", ""), f"{path} has no content policy"
    if not path.startswith("/account/"):
        assert response.headers["Content-Security-Policy"] == POLICY


def _check_ids(root: Element, path: str) -> None:
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    twice = {one for one in ids if ids.count(one) > 1}
    assert not twice, f"{path} has ids twice: {twice}"
    for one in root.iter():
        for name in ("for", "aria-describedby", "aria-labelledby"):
            for wanted in (one.get(name) or "").split():
                assert wanted in ids, f"{path}: {name}={wanted} leads nowhere"


def _check_labels(root: Element, path: str) -> None:
    labelled = {one.get("for") for one in root.iter("label")}
    inside = {id(control) for label in root.iter("label") for control in label.iter()}
    for one in root.iter():
        if one.tag not in ("input", "select", "textarea") or one.get("type") in UNLABELLED:
            continue
        named = one.get("aria-label") or one.get("aria-labelledby") or one.get("id") in labelled or id(one) in inside
        assert named, f"{path}: the control {one.get('name')} has no label"
    for one in root.iter("button"):
        assert "".join(one.itertext()).strip() or one.get("aria-label"), f"{path}: a button has no words"
