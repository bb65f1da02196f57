"""Competitions, the training recipe, and the retrained pools."""
