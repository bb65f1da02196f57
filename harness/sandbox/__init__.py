"""Runs a stranger's file: `host` asks and judges, `guest` runs inside, `walls` stand between.

Three processes: the `Zygote` loads once and is trusted, a `Server` is its fork for one submission,
and a `Run` is the server's fork for one run, the only one that executes submitted code.
"""
