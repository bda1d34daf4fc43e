"""The panel's retry: which runs go on with it, which one to deal with first, and runs of functions
that say resumable=False."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.api import Context, rerun
from jobs.models import Run, RunStatus
from jobs.registry.rows import sync
from jobs.testing import drain
from tests.jobs.admin.panel import history, page_of, said
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")


class Mill:
    """Functions that fail until it is mended: “parent” invokes “child”, “plain” resumes, “saga”
    does not."""

    is_mended = False

    def grind(self, ctx: Context) -> str:
        ctx.step.run("fill", str)
        return ctx.step.run("grind", self.step)

    def step(self) -> str:
        if not self.is_mended:
            raise ValueError("not yet")
        return "flour"


@pytest.fixture
def mill() -> Iterator[Mill]:
    mill = Mill()

    def parent(ctx: Context) -> Any:
        return ctx.step.invoke("ask", function="child", data={})

    with ExitStack() as there:
        for fn_id, handler, options in [
            ("parent", parent, {}),
            ("child", mill.grind, {"trigger": [], "resumable": False}),
            ("plain", mill.grind, {}),
            ("saga", mill.grind, {"resumable": False}),
        ]:
            options = {"retries": 0} | options
            there.enter_context(registered(handler, fn_id=fn_id, **options))
        sync()
        yield mill


@pytest.fixture
def failed(mill: Mill) -> Mill:
    """A run of each has failed."""
    with registered(lambda ctx: None):
        go()
    drain()
    return mill


def page(client: Client, run: Run) -> str:
    return client.get(page_of(run)).content.decode()


def retry(client: Client, run: Run, where: str = "failed-step", **data: str) -> Any:
    return client.post(reverse("admin:jobs_run_rerun", args=[run.pk]), {"from": where, **data})


def test_the_page_says_which_run_to_rerun_first_and_links_it(
    admin_client: Client, failed: Mill
) -> None:
    text = page(admin_client, the_run("parent"))
    told = text.split('id="jobs-no-retry">')[1].split("</p>")[0]
    assert "Rerun that one from the start first" in told
    assert f'<a href="{page_of(the_run("child"))}">Go to that run.</a>' in told
    assert 'value="failed-step"' not in text

    failed.is_mended = True
    retry(admin_client, the_run("child"), "start")
    text = page(admin_client, the_run("parent"))
    assert "jobs-no-retry" not in text
    assert "Retry from the failed step" in text

    retry(admin_client, the_run("parent"))
    drain()
    assert the_run("parent").output == "flour"


def test_an_old_form_that_is_sent_all_the_same_changes_nothing_and_links_it(
    admin_client: Client, failed: Mill
) -> None:
    before = list(Run.objects.order_by("id").values())
    response = retry(admin_client, the_run("parent"))
    assert "Nothing was changed." in said(response)
    assert f'href="{page_of(the_run("child"))}"' in said(response)
    assert list(Run.objects.order_by("id").values()) == before
    assert history(the_run("parent").pk) == []


def test_a_run_that_does_not_go_on_is_offered_from_the_start_alone(
    admin_client: Client, failed: Mill
) -> None:
    text = page(admin_client, the_run("saga"))
    assert "resumable=False" in text
    assert 'value="failed-step"' not in text
    assert "Rerun from here" not in text
    assert "Rerun from the start" in text
    assert "Rerun from here" in page(admin_client, the_run("plain"))

    for where in ("failed-step", "step"):
        assert "resumable=False" in said(retry(admin_client, the_run("saga"), where, step="grind"))
    retry(admin_client, the_run("saga"), "start")
    assert Run.objects.filter(fn_id="saga").count() == 2


def choose(client: Client, *runs: Run, **data: str) -> str:
    form = {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs]}
    return client.post(LIST, form | data, follow=True).content.decode()


@pytest.mark.parametrize("restart", ["", "yes"])
def test_a_selection_leaves_such_runs_alone_or_reruns_them_from_the_start(
    admin_client: Client, failed: Mill, restart: str
) -> None:
    plain, saga = the_run("plain"), the_run("saga")
    text = choose(admin_client, plain, saga)
    assert "Rerun from the start the 1 run of functions that say resumable=False" in text
    assert "Retry 1 run<" in text

    failed.is_mended = True
    choose(admin_client, plain, saga, post="yes", **({"restart": restart} if restart else {}))
    drain()
    assert the_run("plain").status == RunStatus.COMPLETED
    runs = Run.objects.filter(fn_id="saga").order_by("id").values_list("status", flat=True)
    assert list(runs) == [RunStatus.FAILED, *([RunStatus.COMPLETED] if restart else [])]


def test_a_selection_of_such_runs_alone_is_rerun_from_the_start(
    admin_client: Client, failed: Mill
) -> None:
    saga = the_run("saga")
    text = choose(admin_client, saga)
    assert "Rerun 1 run from the start</button>" in text
    assert 'name="restart" value="yes"' in text
    assert "goes on from its failed step" not in text


def test_a_run_of_a_selection_that_must_wait_for_another_says_which(
    admin_client: Client, failed: Mill
) -> None:
    text = choose(admin_client, the_run("parent"), post="yes")
    assert "Rerun that one from the start first" in text
    assert f'href="{page_of(the_run("child"))}"' in text


def test_a_selection_of_an_invoker_and_what_it_invoked_retries_each_once(
    admin_client: Client,
) -> None:
    mill = Mill()
    parent = registered(lambda ctx: ctx.step.invoke("ask", function="child", data={}))
    with parent, registered(mill.grind, fn_id="child", trigger=[], retries=0):
        go()
        drain()
        mill.is_mended = True
        text = choose(admin_client, the_run(), the_run("child"), post="yes")
        drain()
    assert "Retry: 2 runs done." in text
    assert "could not be changed" not in text
    assert the_run().output == "flour"


def test_a_selection_of_both_where_the_invoked_one_starts_anew_goes_on_with_its_rerun(
    admin_client: Client, failed: Mill
) -> None:
    failed.is_mended = True
    text = choose(admin_client, the_run("parent"), the_run("child"), post="yes", restart="yes")
    drain()
    assert "Retry: 2 runs done." in text
    assert the_run("parent").output == "flour"


def test_a_functions_page_says_it(admin_client: Client, failed: Mill) -> None:
    def told(fn_id: str) -> str:
        url = reverse("admin:jobs_registeredfunction_change", args=[fn_id])
        return admin_client.get(url).content.decode()

    sentence = "does not go on where it stopped: it is rerun from the start."
    assert sentence in told("saga")
    assert sentence not in told("plain")


def test_all_runs_that_go_along_are_linked_not_only_the_nearest(admin_client: Client) -> None:
    mill = Mill()

    def calls(child: str) -> Any:
        return lambda ctx: ctx.step.invoke("ask", function=child, data={})

    with (
        registered(calls("middle")),
        registered(calls("last"), fn_id="middle", trigger=[]),
        registered(mill.grind, fn_id="last", trigger=[], retries=0),
    ):
        go()
        drain()
        told = page(admin_client, the_run()).split("do the runs that it waits for:")[1]
        told = told.split("</p>")[0]
        assert page_of(the_run("middle")) in told
        assert page_of(the_run("last")) in told
        mill.is_mended = True
        assert rerun(the_run().id)
        drain()
    assert the_run().output == "flour"
