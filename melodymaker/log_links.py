"""What the logs must not hold: the links of mails, which open an account or confirm an address.

Django names the path of each request that it refuses or fails, such as one that an outage has met.
The link is good afterwards.
"""

from __future__ import annotations

import logging
import re

SECRET_PART = re.compile(r"(/accounts/(?:password/reset/key|confirm-email)/)[^/\s]+")


class HideLinks(logging.Filter):
    """Takes the secret part out of a line, for the handlers that write it."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        clean = SECRET_PART.sub(r"\1[hidden]", said)
        if clean != said:
            record.msg, record.args = clean, ()
        return True
