"""The notes as sound: instruments, drums, voice, and their mix."""
