"""Whatever may come to the engine's door, as Hypothesis makes it: most of it fit, much of it at the
edge, some of it beyond. The chaos trial draws from here too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from jobs.api import Cancel, Concurrency, Event, Timeouts, TriggerCron, TriggerEvent


def mostly(fit: st.SearchStrategy[Any], *others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a careful author gives, and now and then one of the others: an example of many parts
    would else never be accepted."""
    return st.integers(0, 9).flatmap(lambda n: st.one_of(*others) if n == 9 else fit)


# Characters of every kind: those that no database keeps among them, and those that HTML, URLs,
# patterns and logs give a meaning.
ODD = "\0\ud800\udfff\x01\x7f\x85\u2028\ufeff\uffff🎵é%/\\'\"<>&?#*[]{}_:.=+ \n\r\t"
SENTENCES = st.text(st.one_of(st.sampled_from(ODD), st.characters()), max_size=30)
TEXTS = st.one_of(
    SENTENCES,
    SENTENCES.map(lambda text: text * 40),
    st.sampled_from(["", " ", ".", "..", "a" * 200, "b" * 257, "c" * 5_000, "_20", "$secret"]),
)


class Long(int):
    """One that a failing example can be shown with."""

    def __repr__(self) -> str:
        return "a long number"


LONGEST, TOO_LONG = Long(10**308), Long(10**4300)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(
        [2**63, -(2**64) - 1, LONGEST, TOO_LONG, Long(10**309), 1e308, 5e-324, -0.0, 1e16, True]
    ),
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, TEXTS, st.binary(max_size=3), st.just(object)
)
KEYS = st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.floats())


@st.composite
def towers(draw: st.DrawFn, most: int = 3_000) -> Any:
    """Lists or objects in one another, up to and over the limit."""
    value: Any = draw(st.integers())
    levels = [n for n in (1, 50, 100, 507, 509, 510, 511, 512, 513, 700, 3_000) if n <= most]
    pattern = draw(st.lists(st.booleans(), min_size=1, max_size=4))  # a draw a level is too many
    for level in range(draw(st.sampled_from(levels))):
        value = {"a": value} if pattern[level % len(pattern)] else [value]
    return value


VALUES = st.one_of(
    st.recursive(
        st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.tuples(inner, inner),
            st.dictionaries(KEYS, inner, max_size=4),
        ),
        max_leaves=12,
    ),
    st.recursive(ANYTHING, lambda inner: st.lists(inner, max_size=3), max_leaves=4),
    towers(),
)
FIT_TEXTS = st.text(
    st.one_of(
        st.sampled_from("".join(c for c in ODD if c not in "\0\ud800\udfff")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=30,
)
FIT_NAMES = FIT_TEXTS.map(lambda text: f"x{text}x")
FIT_NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, -(2**64) - 1, LONGEST, 1e308, 5e-324, -0.0, 1e16, True]),
)
FIT_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), FIT_NUMBERS, FIT_TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(FIT_TEXTS, inner, max_size=4),
    ),
    max_leaves=12,
)
SOME_VALUES = mostly(st.one_of(FIT_VALUES, towers(98)), VALUES)
DATA = mostly(st.dictionaries(FIT_TEXTS, SOME_VALUES, max_size=3), VALUES)
TIMES = st.one_of(
    st.sampled_from([0, 1, 1_800_000_000_000, -1, 10**30, 4_102_444_799_999]),
    st.datetimes(timezones=st.one_of(st.none(), st.just(UTC))),
    ANYTHING,
)


def events(names: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    ids = mostly(st.one_of(st.just(""), FIT_TEXTS), TEXTS, ANYTHING)
    times = mostly(st.sampled_from([0, 1_700_000_000_000]), TIMES)
    return st.builds(Event, name=names, data=DATA, id=ids, ts=times)


NAMES = mostly(FIT_NAMES, TEXTS, ANYTHING)


# --- functions ------------------------------------------------------------------------------------

FIT_EXPRESSIONS = st.sampled_from(
    [
        None,
        "true",
        "event.data.a == 1",
        "event.data.a",
        '{1: event, "b": [event.data]}',
        "event.data.all(k, k != '')",
        "event.name.matches('(a+)+$')",
        "1 / 0",
        "event.data" + ".a" * 500,
        "'" + "x" * 3_900 + "'",
    ]
)
EXPRESSIONS = mostly(
    FIT_EXPRESSIONS,
    st.sampled_from(["((" * 200 + "1" + "))" * 200, "'" + "x" * 4_500 + "'", "event..x", ""]),
    TEXTS,
    ANYTHING,
)
SPANS = mostly(
    st.one_of(
        st.none(), st.integers(1, 10**5), st.sampled_from([timedelta(1), 366 * 86_400, 0.001])
    ),
    st.sampled_from([timedelta.max, timedelta(367), 1e300, 0, float("nan")]),
    NUMBERS,
    ANYTHING,
)
SOME_SPANS = SPANS.filter(lambda span: span is not None)
TRIGGERS = mostly(
    st.one_of(
        st.builds(TriggerEvent, event=st.just("fuzz/go"), if_exp=EXPRESSIONS),
        st.builds(TriggerEvent, event=FIT_NAMES, if_exp=EXPRESSIONS),
        st.just(TriggerCron(cron="17 3 * * *")),
    ),
    st.builds(TriggerEvent, event=NAMES, if_exp=EXPRESSIONS),
    st.builds(TriggerCron, cron=st.one_of(TEXTS, ANYTHING)),
    ANYTHING,
)
HANDLERS = mostly(
    st.sampled_from([lambda ctx: None, lambda ctx, n=1: 1 / 0, lambda *args: "fine"]),
    st.sampled_from([lambda: None, lambda ctx, n: None, None, 5, print, dict]),
)


def some(of: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    """One, or a list of them."""
    return st.one_of(of, st.lists(of, max_size=most))


LINES = st.builds(Concurrency, limit=mostly(st.integers(1, 5), NUMBERS, ANYTHING), key=EXPRESSIONS)
CANCELS = st.builds(
    Cancel, event=mostly(st.just("fuzz/stop"), NAMES), if_exp=EXPRESSIONS, timeout=SPANS
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "fn_id": mostly(FIT_NAMES, TEXTS, ANYTHING),
        "name": mostly(FIT_NAMES, TEXTS, ANYTHING),
        "trigger": some(TRIGGERS),
        "concurrency": some(mostly(LINES, ANYTHING)),
        "retries": mostly(st.integers(0, 2), NUMBERS, ANYTHING),
        "backoff": mostly(st.lists(SOME_SPANS, min_size=1, max_size=2), ANYTHING),
        "timeouts": mostly(st.builds(Timeouts, start=SPANS, finish=SPANS), ANYTHING),
        "cancel_on": some(mostly(CANCELS, ANYTHING)),
        "on_failure": HANDLERS,
        "on_cancel": HANDLERS,
        "on_retry": HANDLERS,
    },
)

# --- steps ----------------------------------------------------------------------------------------

HEADERS = mostly(
    st.dictionaries(
        mostly(st.from_regex(r"X-[A-Za-z0-9-]{1,10}", fullmatch=True), TEXTS, st.integers()),
        mostly(st.one_of(FIT_NAMES.filter(str.isprintable), FIT_NUMBERS), TEXTS, ANYTHING),
        max_size=3,
    ),
    ANYTHING,
)
REQUESTS = st.one_of(
    *(
        st.fixed_dictionaries(
            {},
            optional={
                "method": mostly(st.sampled_from(["GET", "post", "PUT"]), TEXTS, ANYTHING),
                "headers": HEADERS,
                "timeout": mostly(st.sampled_from([5, timedelta(seconds=5)]), SPANS),
                **body,
            },
        )
        for body in ({"json": SOME_VALUES}, {"data": mostly(FIT_TEXTS, TEXTS, ANYTHING)})
    )
)
MOMENTS = mostly(st.just(datetime(2020, 1, 1, tzinfo=UTC)), TIMES)
PAID = mostly(st.just("fuzz/paid"), NAMES)
WAITS = st.one_of(
    st.tuples(st.just("sleep"), st.fixed_dictionaries({"duration": SPANS})),
    st.tuples(st.just("sleep_until"), st.fixed_dictionaries({"when": MOMENTS})),
    st.tuples(
        st.just("wait_for_event"),
        st.fixed_dictionaries({"event": PAID, "timeout": SOME_SPANS, "if_exp": EXPRESSIONS}),
    ),
    st.tuples(st.just("send_event"), st.fixed_dictionaries({"events": events(NAMES)})),
    st.tuples(
        st.just("invoke"),
        st.fixed_dictionaries(
            {
                "function": mostly(st.just("fuzzed-child"), TEXTS, ANYTHING),
                "data": DATA,
                "timeout": SOME_SPANS,
            }
        ),
    ),
)
