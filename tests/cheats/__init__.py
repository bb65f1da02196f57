"""Submissions that try to fool the score, each with the honest one underneath it.

`CHEAT = False` in a file turns it into the honest submission; with the trick it must not score
above it.
"""
