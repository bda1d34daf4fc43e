"""An HTTP client with a deadline and an allow-list: a thousand requests in one thread."""
