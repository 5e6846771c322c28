"""How Hypothesis runs here: a slow machine is not a failure."""

from hypothesis import settings

settings.register_profile("agi", deadline=None)
settings.load_profile("agi")
