"""One file a revision, numbered in their order."""
