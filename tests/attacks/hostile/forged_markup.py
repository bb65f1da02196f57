"""Raises an error whose name and words are markup, escapes and a formula.

full, partial, landlock, none: crashed
"""


class Boom(Exception):
    pass


Boom.__name__ = Boom.__qualname__ = "</pre><script>document.title = 'OWNED'</script>\u202e\x1b[2J"


def unlearning(net, retain, forget, val):
    raise Boom("</details></main>\n=cmd|' /C calc'!A0\n@SUM(1)\nscored: 1.0")
