"""Chaos: a daemon of its own under load, struck at random, and audited when it is over.

`plan` draws what will be struck, `run` does it, `gather` collects what was left behind, `verdict` judges.
"""
