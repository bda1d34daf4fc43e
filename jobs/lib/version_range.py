"""Versions of a package that the engine's tests have run with, and the message for any other one.
Each file that leans on a package's private parts has them as TESTED.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage, Info, Warning

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VersionRange:
    package: str
    installed: Callable[[], str]
    first: Version
    behind: Version  # the first one that is not tested
    id: str = ""  # of the message
    otherwise: str = ""  # what happens with another version, in sentences
    level: type[Warning] | type[Info] = Warning

    def untested(self) -> str:
        """Why the installed version is untested, in a sentence, or empty."""
        installed = self.installed()
        if _padded(self.first) <= version_of(installed) < _padded(self.behind):
            return ""
        return (
            f"{self.package} {installed} is not tested with the engine; versions from "
            f"{in_words(self.first)} and below {in_words(self.behind)} are."
        )

    def warnings(self) -> list[CheckMessage]:
        reason = self.untested()
        if not reason:
            return []
        hint = "Install a tested version; requirements.txt has those of packages."
        return [self.level(f"{reason} {self.otherwise}", hint=hint, id=self.id)]


def in_words(version: Version) -> str:
    return ".".join(map(str, version))


def version_of(text: str) -> Version:
    return _padded(tuple(int(number) for number in re.findall(r"\d+", text)))


def _padded(version: Version) -> Version:
    return tuple([*version, 0, 0, 0][:3])


def check_of(
    packages: Callable[[], Iterable[VersionRange]],
) -> Callable[..., list[CheckMessage]]:
    """A system check, which asks for the packages when it runs."""

    def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
        return [warning for tested in packages() for warning in tested.warnings()]

    return check
