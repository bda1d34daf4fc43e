"""A request that a gateway has leased, in order to send it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from jobs.platform.http.exchange import Request, RequestOutcome


@dataclass(eq=False, slots=True)
class LeasedRequest:
    id: uuid.UUID
    run_id: uuid.UUID
    step_name: str
    token: uuid.UUID
    sent_at: datetime
    host: str
    request: Request

    def adopt_lease(self, other: LeasedRequest) -> bool:
        if replace(self.request, result_url="") != replace(other.request, result_url=""):
            return False
        self.token, self.sent_at = other.token, other.sent_at
        return True


CompletedRequest = tuple[LeasedRequest, RequestOutcome]
