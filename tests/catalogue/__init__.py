"""What an author's code may raise and do, and the project's settings with functions that do it."""
