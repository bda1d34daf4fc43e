"""Pure helpers: no table, no query."""
