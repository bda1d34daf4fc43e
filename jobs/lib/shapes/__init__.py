"""A Python type as a shape of JSON: what fits it, what it reads back, its JSON schema."""
