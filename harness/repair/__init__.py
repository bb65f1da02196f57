"""The repair track: who finds the examples that make a model fail, and whose cure works."""
