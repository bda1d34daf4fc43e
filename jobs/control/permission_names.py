"""The engine's permissions."""

from __future__ import annotations

VIEW_RUN = "jobs.view_run"
RERUN_RUN = "jobs.rerun_run"
CANCEL_RUN = "jobs.cancel_run"
EDIT_RUN = "jobs.edit_run"
DEAL_WITH_RUN = "jobs.deal_with_run"
VIEW_PAYLOAD = "jobs.view_payload"
VIEW_EVENT = "jobs.view_event"
SEND_EVENT = "jobs.send_event"
VIEW_FUNCTION = "jobs.view_registeredfunction"
PAUSE_FUNCTION = "jobs.pause_registeredfunction"
VIEW_CLUSTER = "jobs.view_cluster"
WRITE_NOTE = "jobs.add_handovernote"
