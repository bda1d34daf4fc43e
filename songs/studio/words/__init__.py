"""The words of a request: what they mean for the song."""
