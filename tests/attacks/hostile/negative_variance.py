"""Leaves a running variance below zero, as a careless merge of two models does.

full, partial, landlock, none: harmless
"""


def unlearning(net, retain, forget, val):
    net.bn1.running_var.neg_()
