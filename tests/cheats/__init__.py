"""Submissions that try to fool the score, each on top of honest methods that ship.

A cheat's file says in its first line what it tries, in `UNDER` which methods it sits on, and in
`GAINS` whether it may score more than they do, as a mixture or noise may: those bring the
distributions closer. Its function `cheat(net, retain, forget, val, honest)` does the whole work;
`honest(net, retain, forget, val)` is the method underneath.
"""
