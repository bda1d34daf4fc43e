"""What Django's debug page must not show beside what it hides itself: the password in a URL."""

from __future__ import annotations

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

IN_URL = re.compile(r"(?<=://)[^/?#\s@]*@")
IN_QUERY = re.compile(r"(?i)\b(\w*(?:pass|secret|token|key)\w*=)[^&\s]+")


class UrlsToo(SafeExceptionReporterFilter):
    """Hides settings and variables by their names, as Django does, and passwords inside values.

    A development server passes on the environment, of which DATABASE_URL is a part.
    """

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        if not isinstance(cleansed, str):
            return cleansed
        hidden = self.cleansed_substitute
        return IN_QUERY.sub(rf"\g<1>{hidden}", IN_URL.sub(f"{hidden}@", cleansed))
