"""How many examples a law is tried on."""

from hypothesis import settings

few = settings(max_examples=settings().max_examples // 6)
"""A sixth of the examples of the profile, for a law that is tried on many classes or by many methods."""

rare = settings(max_examples=settings().max_examples // 16)
"""Very few, for a law whose single example takes seconds."""
