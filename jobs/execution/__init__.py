"""One worker advances one run: replay ▸ advance ▸ settle."""
