"""What `step.fetch` returns to the function."""

from __future__ import annotations

import json as jsonlib
from typing import Any

from jobs.errors import FetchCode, NonRetriableError
from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import Unfit, refuse_too_deep


class Response:
    """The answer that `step.fetch` returns: one with a status below 400 or one that `accept` names.

    `url` is what was asked, and `status_code` what came back. `headers` have their names as the
    endpoint writes them. `text` is the body. Secrets are masked in both.
    """

    url: str
    status_code: int
    headers: dict[str, str]
    text: str

    def __init__(self, memory: dict[str, Any]) -> None:
        self.url = memory.get("url", "")
        self.status_code = memory["status_code"]
        self.headers = memory.get("headers", {})
        self.text = memory.get("body", "")

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    def json(self) -> Any:
        """The body as JSON. Raises NonRetriableError (code “unusable”) with its first lines if it
        is none, or with its depth beyond 512 levels: no step could remember it.
        """
        try:
            refuse_too_deep(self.text)
            return jsonlib.loads(self.text)
        except Unfit as unfit:
            raise self._unusable(str(unfit)) from None
        except (ValueError, RecursionError):
            start = excerpt(self.text.strip(), 200) or "nothing"
            raise self._unusable(f"is not JSON: {start}") from None

    def _unusable(self, problem: str) -> NonRetriableError:
        return NonRetriableError(f"The answer of {self.url} {problem}", code=FetchCode.UNUSABLE)

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"
