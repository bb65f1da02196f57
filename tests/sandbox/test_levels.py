"""Levels: what the machine gives is found by probes, can be lowered, required, and is explained."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from harness.sandbox.host import (
    SandboxError,
    Server,
    Zygote,
    isolation_level,
    levels,
)
from harness.sandbox.walls import Namespaces, NoWalls, files, policy
from tests.sandbox.small import LIMITS, at_level, unread

NOISE = """
import torch
def unlearning(net, retain, forget, val):
    net.fc.bias.data.normal_()
    print("uid", __import__("os").getuid())
"""

# What a host does, as a program of its own, without torch; it prints what it got.
HOST = f"""
import json, os, sys
from pathlib import Path
from harness.competition import Limits
from harness.sandbox.host import Server, Zygote
from harness.submission import Submission
submission = Submission("mine", Path("mine.py"), {NOISE.encode()!r}, "", ())
limits = Limits(**json.loads(sys.argv[2]))
with Zygote(Path(sys.argv[1])) as zygote, Server(submission, zygote, limits) as server:
    result = server.run(5)
assert "torch" not in sys.modules
print(json.dumps([server.level, server.missing, result.weights["fc.bias"].tolist(),
                  result.output, os.getuid()]))
"""


def host(inputs: Path, *before: str, **environment: str) -> list:
    """Run `HOST` after the words of `before`, which may change who and where it is."""
    line = [*before, sys.executable, "-c", HOST, str(inputs), json.dumps(LIMITS.__dict__)]
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(files.PACKAGE.parent)} | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_ordinary_user(inputs: Path) -> list[str]:
    """Words that run a command as such a one, who can reach what it needs to."""
    if os.geteuid():
        return []
    for path in (inputs, *inputs.iterdir()):
        path.chmod(0o755)
    needed = [*files.visible(), str(files.PACKAGE.parent), str(inputs)]
    hidden = {
        str([p for p in Path(path).parents if not p.stat().st_mode & 0o001][-1])
        for path in needed
        if any(not p.stat().st_mode & 0o001 for p in Path(path).parents)
    }
    view = ["bwrap", "--dev-bind", "/", "/"]
    for folder in sorted(hidden):
        view += ["--perms", "0755", "--tmpfs", folder]
    made: set[str] = set()
    for path in needed:
        if any(Path(path).is_relative_to(folder) for folder in hidden):
            for parent in reversed(Path(path).parents):
                inside = any(parent.is_relative_to(folder) for folder in hidden - {str(parent)})
                if inside and str(parent) not in made:
                    view += ["--perms", "0755", "--dir", str(parent)]
                    made.add(str(parent))
            view += ["--ro-bind", path, path]
    user = [f"--reuid={policy.UID}", f"--regid={policy.UID}", "--clear-groups"]
    return [*view, "setpriv", *user, "--bounding-set=-all", "--inh-caps=-all"]


def without_user_namespaces() -> list[str]:
    """Words that run a command, as an ordinary user, where the kernel gives no user namespaces."""
    forbid = dedent(
        """
        echo 0 > /proc/sys/user/max_user_namespaces &&
        exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
        """
    )
    uid = str(policy.UID if os.geteuid() == 0 else os.geteuid())
    own = ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}", "--keep-caps"]
    return [*own, "sh", "-c", forbid, "sh"]


@pytest.fixture
def needs_full() -> None:
    level, missing = isolation_level()
    if level != "full":
        pytest.skip(f"this machine gives {level}: {missing}")


def test_every_level_gives_the_same_weights_and_never_root(inputs: Path) -> None:
    given = []
    for level in ("full", "partial", "none")[
        ("full", "partial", "none").index(isolation_level()[0]) :
    ]:
        with at_level(level, unread(NOISE), inputs, LIMITS) as server:
            assert server.level == level
            assert (server.missing == "") == (level == "full")
            result = server.run(5)
            given.append(result.weights["fc.bias"])
            assert result.output != "uid 0\n"
    assert all(np.array_equal(given[0], other) for other in given)


def test_a_level_that_is_not_had_is_refused_with_the_reason(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(levels.VARIABLE, "none")
    with pytest.raises(SandboxError, match=r"'full' is required, but only 'none' holds: .*=none"):
        Server(unread(NOISE), Zygote(inputs, require="full"), LIMITS)


def test_a_level_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(levels.VARIABLE, "total")
    with pytest.raises(SandboxError, match="'total' is none of none, partial, full"):
        isolation_level()


@pytest.mark.usefixtures("needs_full")
def test_an_ordinary_user_has_level_full_too(inputs: Path) -> None:
    level, missing, _, output, uid = host(inputs, *as_ordinary_user(inputs))
    assert uid != 0
    assert (level, missing) == ("full", "")
    assert output == f"uid {uid}\n"


@pytest.mark.usefixtures("needs_full")
def test_without_bubblewrap_the_next_level_holds_and_the_package_is_named(
    inputs: Path, tmp_path: Path
) -> None:
    level, missing, *_ = host(inputs, PATH=str(tmp_path))
    assert level == "partial"
    assert "apt-get install bubblewrap" in missing


@pytest.mark.usefixtures("needs_full")
def test_without_user_namespaces_landlock_holds_and_the_setting_is_named(inputs: Path) -> None:
    level, missing, *_ = host(inputs, *as_ordinary_user(inputs), *without_user_namespaces())
    assert level == "partial"
    assert "sysctl user.max_user_namespaces" in missing


@pytest.mark.parametrize("attack", sorted({*levels._STOPS["full"]}))
def test_a_level_that_lets_an_attack_through_is_not_given(
    attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict on the probes, with probes that report what a leaking wall would."""
    leaking = subprocess.CompletedProcess([], 0, json.dumps([attack]), "")
    monkeypatch.setattr(levels, "_probe", lambda walls, private: leaking)
    monkeypatch.delenv(levels.VARIABLE, raising=False)
    levels._failure.cache_clear()
    try:
        level, missing = isolation_level()
    finally:
        levels._failure.cache_clear()
    assert level == ("none" if attack in levels._STOPS["partial"] else "partial")
    assert missing == f"a run could {attack}"


@pytest.mark.parametrize("status", [-9, 137])
def test_a_killed_probe_says_nothing_of_the_level(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.CompletedProcess([], status, "", "")
    monkeypatch.setattr(levels, "_probe", lambda walls, private: killed)
    monkeypatch.delenv(levels.VARIABLE, raising=False)
    levels._failure.cache_clear()
    with pytest.raises(SandboxError, match="was killed: run the same command again"):
        isolation_level()


def test_without_walls_every_probe_reports_success() -> None:
    """A probe that cannot win anywhere would prove nothing."""
    won = set(json.loads(levels._probe(NoWalls, files.private()).stdout))
    assert won == levels._STOPS["full"] - {"be root", "signal the evaluator"} or os.geteuid()
    assert won >= {"read files", "write files", "reach the network", "leave a daemon"}


def test_an_evaluator_that_is_process_1_is_not_taken_for_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container, where the run has the evaluator's number in its own namespace."""
    if isolation_level()[0] != "full":
        pytest.skip("needs the level full")
    monkeypatch.delenv(levels.VARIABLE, raising=False)
    space = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid():
        space += ["--user", "--map-current-user"]
    ask = "from harness.sandbox.host import isolation_level; print(os.getpid(), *isolation_level())"
    done = subprocess.run(
        [*space, sys.executable, "-c", f"import os; {ask}"],
        capture_output=True,
        text=True,
        cwd=files.PACKAGE.parent,
    )
    assert done.stdout == "1 full \n", done.stderr


PRYING = """
import os
def unlearning(net, retain, forget, val):
    for folder, _, names in os.walk("{here}"):
        print("WON", folder, names) if names else None
    try:
        print("WON", open("{here}/results/canary").read())
    except OSError:
        pass
"""


@pytest.fixture
def below_usr() -> Iterator[Path]:
    """A workspace within a folder that every run sees."""
    if os.geteuid():
        pytest.skip("only root can work below /usr")
    with tempfile.TemporaryDirectory(dir="/usr/src") as folder:
        here = Path(folder)
        here.chmod(0o755)
        for name in ("reference/cache", "results", "submissions"):
            (here / name).mkdir(parents=True)
            (here / name / "canary").write_text("secret")
        yield here


@pytest.mark.usefixtures("needs_full")
def test_a_workspace_below_what_runs_see_is_covered(
    inputs: Path, below_usr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(below_usr)
    submission = unread(PRYING.format(here=below_usr))
    with Zygote(inputs, require="full") as zygote, Server(submission, zygote, LIMITS) as server:
        assert server.run(0).output == ""


@pytest.mark.usefixtures("needs_full")
def test_a_level_that_cannot_cover_the_workspace_is_refused(
    below_usr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(below_usr)
    monkeypatch.setenv(levels.VARIABLE, "partial")
    assert isolation_level()[0] == "none"
    assert "read files" in levels._failure(Namespaces, tuple(files.private()))
    monkeypatch.chdir(below_usr / "results")
    (below_usr / "results/canary").unlink()
    assert "see the host's folders" in levels._failure(Namespaces, tuple(files.private()))
