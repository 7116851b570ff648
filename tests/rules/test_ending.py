from chappe.messaging import DeliveryState
from chappe.rules.ending import ending

CANCELLED = DeliveryState.CANCELLED


def test_a_message_of_which_nothing_went_ends_as_it_was_told() -> None:
    assert ending(CANCELLED, "cancelled", segments=3) == (CANCELLED, "cancelled")


def test_a_message_of_which_a_part_went_has_failed() -> None:
    words = "2 of 3 segments were sent, the others not: cancelled"
    assert ending(CANCELLED, "cancelled", taken=2, segments=3) == (DeliveryState.FAILED, words)


def test_a_message_that_may_have_gone_is_left_unconfirmed_whatever_is_known_of_its_parts() -> None:
    words = "it may have gone out, and is not sent again: cancelled"
    for taken in (0, 2):
        found = ending(CANCELLED, "cancelled", taken=taken, segments=3, may_have_gone=True)
        assert found == (DeliveryState.UNCONFIRMED, words)
