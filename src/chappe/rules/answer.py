"""What a text from a phone leads to: by the keywords of the hook that it came by, else by the automatic replies of its
connection."""

from collections.abc import Sequence
from dataclasses import dataclass

from chappe.rules.hook_keyword import KeywordCategory, KeywordRules, decide
from chappe.rules.keyword import AutomaticReply, KeywordAction, find_reply

NEAR_MISS = "near_miss"

_ASKS = {
    KeywordAction.SEND_TO_QUARANTINE.value: False,
    KeywordAction.REMOVE_FROM_QUARANTINE.value: True,
    KeywordCategory.OPT_OUT.value: False,
    KeywordCategory.OPT_IN.value: True,
}


@dataclass(frozen=True)
class Answer:
    """`action` is kept with the text; `is_given` is the person's yes or no, None for neither; `short_code` what it is
    limited to, "" for nothing."""

    keyword: str
    action: str
    reply: str
    short_code: str = ""
    is_given: bool | None = None


def find_answer(
    keywords: KeywordRules | None, replies: Sequence[AutomaticReply], text: str, recipient: str
) -> Answer | None:
    """By `keywords`; by `replies` where these are None. `recipient` is the number of ours that the text was sent to."""
    if keywords is None:
        row = find_reply(replies, text, recipient)
        if row is None:
            return None
        return Answer(row.keyword, row.action.value, row.reply, row.short_code, _ASKS.get(row.action.value))
    found = decide(keywords, text)
    if found is None:
        return None
    action = NEAR_MISS if found.is_near_miss else found.category.value
    return Answer(found.keyword, action, found.reply, is_given=_ASKS.get(action))
