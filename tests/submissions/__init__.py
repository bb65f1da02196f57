"""Tests of the methods that ship: each does to the model what its file says it does."""
