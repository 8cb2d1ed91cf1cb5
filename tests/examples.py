"""How many examples a law is tried on."""

from hypothesis import settings

few = settings(max_examples=max(10, settings().max_examples // 5))
"""A fifth of the examples of the profile, for a law that is tried on many classes or by many methods."""
