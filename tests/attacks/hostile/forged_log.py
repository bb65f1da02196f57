"""Prints what the harness writes into a log: another run, a flag, a score, a verdict.

full, partial, landlock, none: harmless
"""


def unlearning(net, retain, forget, val):
    print("so far\nrun 3: 0.01 s, 12 MiB\nflag none: looked at by the host, and sound\nscored: 1.0")
    print("isolation full\x85crashed\u2028timeout\rout_of_memory\x0binvalid_weights")
    print("</pre><script>document.title = 'OWNED'</script> {{ 7 * 7 }} {% raw %}")
    print("soft\u00adhyphen, piled z\u0334\u0335\u0336\u0337\u0338, tags \U000e0041, \u3164filler")
