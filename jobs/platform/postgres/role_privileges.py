"""What the database role may do with the site's tables."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.checks import CheckMessage, Error, Warning
from django.db.backends.base.base import BaseDatabaseWrapper

MAX_SHOWN = 3
WHERE = """
SELECT current_user, current_schema(),
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
"""
TABLES = """
SELECT c.relname, pg_has_role(c.relowner, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
       AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = current_schema() AND c.relname = ANY(%s) AND c.relkind IN ('r', 'p')
 ORDER BY 1
"""


@dataclass(frozen=True)
class Role:
    name: str
    schema: str | None  # where its new tables would go
    may_create: bool


def check(here: BaseDatabaseWrapper) -> list[CheckMessage]:
    wanted = here.introspection.django_table_names(include_views=False)
    with here.cursor() as cursor:
        cursor.execute(WHERE)
        role = Role(*cursor.fetchone())
        cursor.execute(TABLES, [wanted])
        tables = cursor.fetchall()
    useless = [name for name, _, is_usable in tables if not is_usable]
    if useless:
        return [_cannot_use(role, useless)]
    others = [name for name, is_own, _ in tables if not is_own]
    if others or not role.may_create:
        return [_cannot_migrate(role, others, is_new=not tables)]
    return []


def _cannot_use(role: Role, tables: list[str]) -> CheckMessage:
    return Error(
        f"The role “{role.name}” may not read and write {_names(tables)}.",
        hint="Make it their owner, or grant it SELECT, INSERT, UPDATE and DELETE on all tables.",
        id="jobs.E013",
    )


def _cannot_migrate(role: Role, others: list[str], *, is_new: bool) -> CheckMessage:
    """An error only without tables to work with."""
    what = f"does not own {_names(others)}" if others else f"may make no tables in {_place(role)}"
    sentence = f"The role “{role.name}” {what}, so that it cannot migrate."
    hint = f'Make it the owner of the database and of its tables: ALTER … OWNER TO "{role.name}".'
    if role.schema is None:
        hint = (
            "None of them exists, or the role may not use it. Make one, or name one that is there: "
            f'ALTER ROLE "{role.name}" SET search_path = public.'
        )
    if is_new:
        return Error(sentence, hint=hint, id="jobs.E014")
    hint = f"Site and clusters work. Migrate as the owner, or: {hint[0].lower()}{hint[1:]}"
    return Warning(sentence, hint=hint, id="jobs.W012")


def _place(role: Role) -> str:
    return f"the schema “{role.schema}”" if role.schema else "any schema of its search_path"


def _names(tables: list[str]) -> str:
    more = len(tables) - MAX_SHOWN
    return ", ".join(tables[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
