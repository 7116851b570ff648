"""Ten thousand invented people, with what real files hold: accents, emoji, long names, bad numbers, the same number twice."""

import csv
import io
import random
from dataclasses import dataclass

FIRST_NAMES = (
    "Zoé", "Noël", "Éloïse", "Maëlle", "Łukasz", "Søren", "Inès", "Anaïs", "Jürgen", "Chloé", "Béatrice", "Ángel",
    "Marie", "Jean", "Paul", "Lucas", "Emma", "Louise", "Hugo", "Alice", "Jules", "Rose", "Arthur", "Lina",
)  # fmt: skip
CITIES = ("Orléans", "Besançon", "Saint-Étienne", "Nîmes", "Lille", "Brest", "Dijon", "Metz", "Pau", "Tours")
NOTES = ("", "", "", "", "", "", "", "🎁", "❤️", "☕")
LONG = (
    "Votre carte arrive à échéance : passez au magasin avec une pièce d'identité pour la renouveler, nous en profiterons "
    "pour vous remettre votre cadeau et faire le point sur vos avantages."
)
NOT_QUARANTINED = 50
"""So many numbers at the beginning are never put in quarantine: the numbers that come twice are taken from them."""
BAD_NUMBERS = ("", "06 12", "not a number", "+33", "0033-abc", "123456789012345678")


@dataclass(frozen=True)
class Audience:
    """A CSV file, and what the analysis must find in it."""

    text: str
    people: int
    bad_numbers: int
    duplicates: int
    quarantined: list[str]


def make(people: int, seed: int = 7) -> Audience:
    """The same people for the same seed. One in a hundred has a bad number, one in fifty the number of somebody before."""
    chance = random.Random(seed)  # noqa: S311 - invented people, not a secret
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["external_id", "code", "prénom", "ville", "points", "note", "mot", "téléphone"])
    numbers: list[str] = []
    bad = duplicates = 0
    for index in range(people):
        if index % 100 == 17:
            phone, bad = BAD_NUMBERS[bad % len(BAD_NUMBERS)], bad + 1
        elif index % 50 == 33 and numbers:
            phone, duplicates = chance.choice(numbers[:NOT_QUARANTINED]), duplicates + 1
        else:
            local = f"6{10_000_000 + index * 7:08d}"
            numbers.append(f"+33{local}")
            phone = (f"+33{local}", f"0{local}", f"+33 {local[0]} {local[1:3]} {local[3:5]} {local[5:7]} {local[7:]}")[
                index % 3
            ]
        writer.writerow(
            [
                f"C{index:06d}",
                f"C{index:06d}",
                chance.choice(FIRST_NAMES),
                chance.choice(CITIES),
                chance.randrange(2_000),
                chance.choice(NOTES),
                LONG if index % 12 == 5 else "",
                phone,
            ]
        )
    quarantined = numbers[NOT_QUARANTINED::3][: people // 100]
    return Audience(out.getvalue(), people, bad, duplicates, quarantined)
