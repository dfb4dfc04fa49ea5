"""What holds for all tests: Hypothesis measures no time, for a machine may be busy."""

from hypothesis import settings

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
