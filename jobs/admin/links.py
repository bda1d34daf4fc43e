"""Links from a run to the product's thing that it is about.

`JOBS["RUN_LINKS"]` may name a callable by its dotted path:

    def run_links(event_data: dict[str, Any]) -> list[tuple[str, str]]:
        return [("Song", reverse("admin:songs_song_change", args=[event_data["songId"]]))]

It gets the data of the run's event and returns (label, url) pairs, which the run's page shows under
“About”. For events that it does not know it must return an empty list.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


def run_links(event_data: Any) -> list[tuple[str, str]]:
    """The project's links; an error in its code costs the links and a log line, not the page."""
    path: Any = settings.JOBS.get("RUN_LINKS")
    if not path:
        return []
    try:
        return [(str(label), str(url)) for label, url in import_string(path)(event_data)]
    except Exception:
        logger.exception("JOBS[“RUN_LINKS”] (%s) could not say what a run is about.", path)
        return []
