"""What holds for every test."""

from hypothesis import settings

# Machines are noisy: no example fails for being slow. A failing one is printed with its way to replay it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
