"""What the logs say of a request that is refused for what it holds: a warning in a line.

Django logs it as an error with a traceback. Strangers that ask the site under another host, as
programs do that try each address of the internet, would fill the log with what looks like defects.
"""

from __future__ import annotations

import logging

SECURITY = "django.security."
# What the request alone decides. Others, such as a path outside the storage, may be defects.
OF_THE_REQUEST = {
    *("DisallowedHost", "RequestDataTooBig", "SuspiciousMultipartForm"),
    *("TooManyFieldsSent", "TooManyFilesSent"),
    *("DisallowedModelAdminLookup", "DisallowedModelAdminToField"),
}


class InALine(logging.Filter):
    """Makes a warning without a traceback of it, for the handlers that write it."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_refusal = record.name.removeprefix(SECURITY) in OF_THE_REQUEST
        if not is_refusal or record.levelno != logging.ERROR:
            return True
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        return logging.getLogger(record.name).isEnabledFor(logging.WARNING)
