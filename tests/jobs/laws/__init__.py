"""What is promised of the engine as a whole."""
