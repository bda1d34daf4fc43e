"""A step's statement has its values bound where the column beside them says what they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Case, F, Model, QuerySet, Value, When
from django.db.models.functions import Concat
from django.db.models.sql import InsertQuery
from django.test.utils import CaptureQueriesContext

from jobs.platform.postgres.value_places import are_bindable
from songs.models import Category, Song

pytestmark = pytest.mark.django_db


def text_of(queryset: QuerySet[Any, Any]) -> str:
    return queryset.query.sql_with_params()[0]


def text_of_insert(*rows: Model) -> str:
    query = InsertQuery(type(rows[0]))
    query.insert_values(type(rows[0])._meta.concrete_fields, rows)
    ((text, _),) = query.get_compiler(connection=connection).as_sql()
    return text


songs, categories = Song.objects.order_by("pk"), Category.objects.order_by("pk")

BOUND = {
    "one row": songs.filter(pk="01900000-0000-7000-8000-000000000000", owner=1),
    "some": songs.filter(status__in=["queued", "failed"]).exclude(title="a"),
    "a range": categories.filter(published__range=(1, 5), published__gte=2),
    "words": categories.filter(name__icontains="a", folded__startswith="b"),
    "of another table": categories.filter(songs__title="a").select_for_update(of=("self",)),
    "a subquery": categories.filter(songs__in=songs.filter(title="a")),
}
AS_EVERYWHERE = {
    "a sum": categories.filter(published__gt=F("published") * 2),
    "a choice": categories.annotate(size=Case(When(published=1, then=Value(1.5)))),
    "a function": categories.annotate(both=Concat("name", Value("a"))),
    "by hand": categories.extra(where=["now() > now() - interval %s"], params=["1 day"]),
    "in a sum by hand": categories.extra(where=['"published" = %s * 2'], params=[1]),
}


@pytest.mark.parametrize("queryset", BOUND.values(), ids=BOUND)
def test_values_beside_columns_are_bound(queryset):
    assert are_bindable(text_of(queryset), [])


@pytest.mark.parametrize("queryset", AS_EVERYWHERE.values(), ids=AS_EVERYWHERE)
def test_with_values_in_other_places_a_statement_goes_as_everywhere(queryset):
    assert not are_bindable(text_of(queryset), [])


@pytest.mark.parametrize("rows", [1, 3])
def test_the_values_of_new_rows_are_bound(rows):
    assert are_bindable(text_of_insert(*[Category(name="a") for _ in range(rows)]), [])


def test_a_change_by_a_whole_number_is_bound_and_one_by_a_float_is_not():
    with CaptureQueriesContext(connection) as captured:
        Category.objects.filter(pk=4712).update(published=F("published") - 4711)
    text = captured[0]["sql"].replace("4711", "%s").replace("4712", "%s")
    assert text.count("%s") == 2
    assert are_bindable(text, [1, 1])
    assert not are_bindable(text, [1.5, 1])
