"""Who opens a short link: a person, or a program that looks where it leads.

Phones, messengers and scanners of mail open links to show what is behind them, or to check it. Nearly all of them say who they
are; those that pass for a browser are counted as people.
"""

import re
from collections.abc import Mapping

_AHEAD = ("purpose", "sec-purpose", "x-purpose", "x-moz")
"""Headers by which a browser says that nobody asked for the page yet. Sec-Purpose: Fetch Standard, 3.7; the others were there
before it."""
_WORDS_AHEAD = ("prefetch", "prerender", "preview", "instant")

_BROWSERS = re.compile(
    # Browsers of old phones do not begin like all others.
    r"^(mozilla/|opera/|ucweb/)|midp|ucbrowser|up\.browser|up\.link|blackberry|^(nokia|samsung|sonyericsson|lg|mot)[-/ ]?\w",
    re.IGNORECASE,
)
_MACHINES = re.compile(
    # CUBOT makes phones. Apps that show pages name themselves behind the browser that they are: those are people.
    r"(?<!cu)bot(?:\b|_)|crawl|spider|slurp|\bscan(?:ner)?\b|preview|prefetch|headless|phantomjs|monitor|validator|checker|"
    r"facebookexternalhit|facebookcatalog|meta-external|embedly|iframely|google-(?!chrome)|googleimageproxy|mediapartners|"
    r"feedfetcher|apis-google|lighthouse|ptst/|proofpoint|mimecast|barracuda|safelinks|urldefense|symantec|fortiguard|"
    r"trendmicro|zscaler|sophos|forcepoint|virustotal|netcraft|paloalto|censys|shodan|"
    r"compatible; *\+?https?:|\+https?://",
    re.IGNORECASE,
)


def is_machine(headers: Mapping[str, str]) -> bool:
    """Whether a program asks, as far as that can be told. Names of `headers` are in lower case."""
    agent = headers.get("user-agent", "").strip()
    if not agent or not _BROWSERS.search(agent) or _MACHINES.search(agent):
        return True
    said = " ".join(headers.get(name, "") for name in _AHEAD).lower()
    return any(word in said for word in _WORDS_AHEAD)
