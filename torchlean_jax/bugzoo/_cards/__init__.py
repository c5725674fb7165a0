"""One file is one bug: its programs, and `CARD`, which says what they are."""
