"""An app of durable functions that are told to survive anything."""
