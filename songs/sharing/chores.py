"""The engine's functions that keep the lists: the tally, the counts of categories, old plays."""

from __future__ import annotations

from django.db import connection
from django.db.models.functions import Now

from jobs.api import Concurrency, Context, TriggerCron, create_function
from songs.models import Play
from songs.sharing import tally
from songs.sharing.plays import KEPT_FOR

MAX_BATCHES = 200  # of one run; the next run goes on
OLD_PLAYS = 10_000  # of one batch
COUNT_CATEGORIES = """
UPDATE songs_category SET published = counted.songs
  FROM (SELECT category.id, count(listing.category_id) AS songs
          FROM songs_category category
          LEFT JOIN songs_listing listing ON listing.category_id = category.id
         GROUP BY category.id) counted
 WHERE counted.id = songs_category.id AND counted.songs <> songs_category.published
"""


@create_function(
    fn_id="tally-reactions",
    name="Tally likes and plays",
    trigger=TriggerCron(cron="*/5 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def tally_reactions(ctx: Context) -> str:
    """Add likes and plays to their songs' rows. Pages add what has not been tallied themselves: the
    order of “Liked lately” is up to five minutes old, and no number is."""
    added = 0
    for _ in range(MAX_BATCHES):
        batch = ctx.step.run("add-changes", tally.add_changes)
        added += batch
        if batch < tally.BATCH:
            break
    return f"{added:,} changes added"


@create_function(
    fn_id="count-categories",
    name="Count the songs of categories",
    trigger=TriggerCron(cron="17 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def keep_categories_and_plays(ctx: Context) -> str:
    """Count each category's public songs, by which “Discover” orders the categories, and forget
    plays that no longer matter."""
    changed = ctx.step.run("count", count_categories)
    forgotten = 0
    for _ in range(MAX_BATCHES):
        batch = ctx.step.run("forget-plays", forget_plays)
        forgotten += batch
        if batch < OLD_PLAYS:
            break
    return f"{changed:,} categories changed, {forgotten:,} old plays forgotten"


def count_categories() -> int:
    """How many categories have another count now."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_CATEGORIES)
        return int(cursor.rowcount)


def forget_plays() -> int:
    old = Play.objects.filter(at__lt=Now() - KEPT_FOR).order_by("at").values("pk")[:OLD_PLAYS]
    return Play.objects.filter(pk__in=old).delete()[0]
