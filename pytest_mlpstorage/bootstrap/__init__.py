"""From a clone to a verdict with nothing but Python: makes the environment, then starts pytest in it.

Standard library only, because it runs before anything is installed.
"""
