"""What makes the papers a site: `make docs`."""
