"""Names of new accounts: none that cannot be told from another one by looking at it.

A name has letters of one script, or of those that one language mixes. Forms of a letter that differ
in width or composition become the usual one. Accounts that exist keep their names.
"""

from __future__ import annotations

import re
import unicodedata

from django.core.exceptions import ValidationError

from songs.models import User

MAX_LENGTH = User._meta.get_field("username").max_length or 150
ALLOWED = re.compile(r"[\w.+-]+")
ALLOWED_IN_WORDS = "A name has letters, digits and . + - _ alone."
TAKEN = "The name of another account looks the same in other letters. Choose another name."
UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")  # categories of Unicode
FILLERS = "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters that cannot be seen
# Scripts by the first word of a letter's name in Unicode, where that is not the script's own.
SCRIPTS = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "EXTENDED": "ARABIC",
    "MODIFIER": "",
    "COMBINING": "",
}
TOGETHER = [
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
]
# Latin letters, and those of one other script that look the same: Cyrillic, Greek and Armenian.
LOOKS = [
    ("ABEKMHOPCTXYISJ", "АВЕКМНОРСТХУІЅЈ"),
    ("aeopcyxijshdlqwvk", "аеорсухіјѕһԁӏԛԝѵк"),
    ("ABEZHIKMNOPTYX", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"),
    ("aopvuikx", "αορνυικχ"),
    ("ounhgqj", "օսոհցզյ"),
]


def clean(name: str) -> str:
    """The name as it is kept. Raises ValidationError with a sentence for one that is refused."""
    kept = folded(name)
    for problem in (unseen(kept), of_other_signs(kept), too_long(kept), mixed(kept)):
        if problem:
            raise ValidationError(problem)
    if any(User.objects.filter(username__iexact=twin).exists() for twin in twins(kept)):
        raise ValidationError(TAKEN)
    return kept


def folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def unseen(name: str) -> str:
    found = [sign for sign in name if unicodedata.category(sign) in UNSEEN or sign in FILLERS]
    if not found:
        return ""
    codes = ", ".join(f"U+{ord(sign):04X}" for sign in dict.fromkeys(found[:3]))
    return f"The name has a character that cannot be seen ({codes}). Type it again without."


def of_other_signs(name: str) -> str:
    if "@" in name:
        return "A name has no “@”. Your e-mail address has a field of its own."
    return (
        "" if ALLOWED.fullmatch(name) else f"{ALLOWED_IN_WORDS} Leave out spaces and other signs."
    )


def too_long(name: str) -> str:
    if len(name) <= MAX_LENGTH:
        return ""
    return (
        f"A name has at most {MAX_LENGTH} characters; yours has {len(name)} when it is written out."
    )


def mixed(name: str) -> str:
    found = scripts(name)
    if len(found) < 2 or any(found <= together for together in TOGETHER):
        return ""
    words = " and ".join(sorted(script.capitalize() for script in found))
    return f"The name mixes letters of several scripts ({words}). Use letters of one."


def scripts(name: str) -> set[str]:
    """“LATIN”, “CYRILLIC”, …; digits and signs of ASCII belong to all."""
    return {script for sign in name if (script := script_of(sign))}


def script_of(sign: str) -> str:
    if sign.isascii():
        return "LATIN" if sign.isalpha() else ""
    first = re.split("[ -]", unicodedata.name(sign, ""))[0]
    return SCRIPTS.get(first, first)


def twins(name: str) -> set[str]:
    """The names in one other script that look like this one, in capitals or in small letters."""
    latin = {seen for text in cases(name) for seen in in_latin(text)}
    found = latin | {other for seen in latin for text in cases(seen) for other in in_others(text)}
    return {text for text in found if text.upper() != name.upper()}


def cases(name: str) -> tuple[str, str]:
    return name.upper(), name.lower()


def in_latin(text: str) -> list[str]:
    """Itself, if it is Latin, and what it looks like."""
    seen = [text, *(text.translate(str.maketrans(other, latin)) for latin, other in LOOKS)]
    return [one for one in seen if one.isascii()]


def in_others(text: str) -> list[str]:
    letters = {sign for sign in text if sign.isalpha()}
    return [
        text.translate(str.maketrans(latin, other))
        for latin, other in LOOKS
        if letters and letters <= set(latin)
    ]
