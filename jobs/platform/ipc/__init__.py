"""Forked processes: queues without locks, wake-ups, a cluster that ends together."""
