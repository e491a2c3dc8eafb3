"""The collector of cyclic garbage, set for a program that makes much that lives for a moment.

At its default it looks at the young objects after every 700 that are new, and at all there are now and
then. A busy daemon makes a hundred a job, hardly any of them in cycles, and spent a seventh of its time
on looks that found nothing. What stands once everything runs is never looked at again.
"""

import gc

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 50


def tame_collector() -> None:
    """Look less often, and not at what exists now. For a process that is a daemon and nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
