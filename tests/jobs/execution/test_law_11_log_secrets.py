"""No secret in a log: of a function, of the engine, of the site; in the process and in the file."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from jobs.api import Context, Event, TriggerEvent, send
from jobs.execution.standard_streams import MAX_LINE
from jobs.models import Run
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import ran, registered

pytestmark = pytest.mark.cluster

SECRET = "wk-Canary-5f3e2d1c0b"


@pytest.fixture(autouse=True)
def _secret(settings) -> None:
    settings.MODAL_KEY = SECRET


def test_a_record_is_masked_in_its_message_its_arguments_and_its_traceback(caplog) -> None:
    logger = logging.getLogger("anybody's")
    logger.warning("told %s and %r", SECRET, [SECRET], stack_info=True)
    try:
        raise ValueError(f"bad key {SECRET}") from KeyError(SECRET)
    except ValueError:
        logger.exception("It failed: %s", SECRET)
    assert "told [MODAL_KEY] and ['[MODAL_KEY]']" in caplog.text
    assert "ValueError: bad key [MODAL_KEY]" in caplog.text
    assert "anary" not in caplog.text


def test_a_record_without_secrets_keeps_its_arguments(caplog) -> None:
    logging.getLogger("anybody's").warning("%s of %d", "one", 2)
    [record] = caplog.records
    assert (record.msg, record.args) == ("%s of %d", ("one", 2))


@pytest.mark.django_db
def test_the_console_gets_what_is_printed_line_by_line_and_masked(capsys, caplog) -> None:
    def handler(ctx: Context) -> None:
        print("half", SECRET[:7], end="", flush=True)
        print(SECRET[7:], "whole")
        print("no end", SECRET, end="")
        ctx.logger.warning("logged %s", SECRET)

    run = ran(handler)
    assert capsys.readouterr().out == "half [MODAL_KEY] whole\nno end [MODAL_KEY]"
    assert "anary" not in caplog.text
    told = list(run.log_lines.values_list("message", flat=True))
    assert told == ["half [MODAL_KEY] whole", "logged [MODAL_KEY]", "no end [MODAL_KEY]"]


@pytest.mark.django_db
def test_the_console_gets_bytes_masked_and_others_as_they_are(tmp_path: Path) -> None:
    def handler(ctx: Context) -> None:
        sys.stdout.buffer.write(b"\xff " + SECRET.encode()[:7])
        sys.stdout.buffer.write(SECRET.encode()[7:] + b" \xc3")
        sys.stdout.buffer.write("é\n".encode()[1:])
        sys.stdout.buffer.raw.write(SECRET.encode())

    with open(tmp_path / "console", "w", encoding="utf-8") as console, redirect_stdout(console):
        run = ran(handler)
    told = (tmp_path / "console").read_bytes()
    assert sorted(told.split(b"[MODAL_KEY]")) == [b"", b" \xc3\xa9\n", b"\xff "]
    assert run.log_lines.first().message == "\\xff [MODAL_KEY] é"


@pytest.mark.django_db
def test_no_half_of_a_secret_is_on_the_console_where_a_line_is_too_long_to_be_held(capsys) -> None:
    text = "".join("." * n + SECRET for n in range(400))
    assert len(text) > MAX_LINE

    def handler(ctx: Context) -> None:
        for piece in re.findall(".{1,11}", text):
            print(piece, end="")

    ran(handler)
    assert capsys.readouterr().out == text.replace(SECRET, "[MODAL_KEY]")


@pytest.mark.django_db
def test_the_name_of_a_level_is_masked_too() -> None:
    logging.addLevelName(35, SECRET)
    try:
        run = ran(lambda ctx: ctx.logger.log(35, "said"))
    finally:
        logging._levelToName.pop(35)
        logging._nameToLevel.pop(SECRET)
    assert run.log_lines.get().level == "[MODAL_KEY]"


@pytest.mark.django_db(transaction=True)
def test_the_log_of_a_real_cluster_has_no_secret(tmp_path: Path) -> None:
    environment = cluster_environment(
        "tests.leaks.settings", workers=1, MODAL_KEY=SECRET, MODAL_SECRET="another-secret"
    )
    with registered(lambda ctx: None, fn_id="leaks", trigger=TriggerEvent(event="test/leak")):
        send(Event(name="test/leak"))
    cluster = Cluster(1, environment, tmp_path)
    try:
        wait_until(lambda: Run.objects.filter(fn_id="leaks", status="failed").exists(), cluster)
        cluster.stop_for_good()
        wait_until(lambda: cluster.is_down, cluster)
    finally:
        cluster.kill_for_good()
    log = cluster.log.read_text()
    for told in (
        "printed",
        "in pieces",
        "by a thread",
        "logged",
        "KeyError:",
        "ValueError: raised",
    ):
        assert f"{told} " in log
    assert log.count("[MODAL_KEY]") >= 7
    assert "anary" not in log
    assert SECRET[7:] not in log
