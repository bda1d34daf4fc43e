"""What is told here is told in a cluster's own processes, and the console is its log."""

from __future__ import annotations

import logging
import sys
import threading

from django.conf import settings
from django.db import transaction

from jobs.api import Context, TriggerEvent, create_function

logger = logging.getLogger(__name__)


@create_function(fn_id="leaks", trigger=TriggerEvent(event="test/leak"), retries=0)
def leaks(ctx: Context) -> None:
    ctx.step.run("prints", prints, settings.MODAL_KEY)
    ctx.step.run("logs", logs, settings.MODAL_KEY)
    ctx.step.run("calls-back", calls_back, settings.MODAL_KEY)
    ctx.step.run("raises", raises, settings.MODAL_KEY)


def prints(secret: str) -> None:
    print("printed", secret)
    print("in pieces", secret[:7], sep=" ", end="")
    sys.stdout.flush()
    print(secret[7:])
    thread = threading.Thread(target=print, args=("by a thread", secret))
    thread.start()
    thread.join()


def logs(secret: str) -> None:
    logger.warning("logged %s", secret)
    logger.warning("logged as %r", {"key": secret})
    try:
        raise KeyError(secret)
    except KeyError:
        logger.exception("with a traceback")


def calls_back(secret: str) -> None:
    transaction.on_commit(lambda: raises(secret))


def raises(secret: str) -> None:
    raise ValueError(f"raised {secret}")
