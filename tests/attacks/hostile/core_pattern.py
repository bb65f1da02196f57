"""Has the kernel start a program on the host when something crashes.

full, partial, landlock, none: harmless
"""


def unlearning(net, retain, forget, val):
    for name in (
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sysrq-trigger",
        "/proc/1/oom_score_adj",
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/release_agent",
    ):
        try:
            with open(name, "r+") as file:
                if name.endswith("oom_score_adj"):
                    file.write("-1000")  # never the one that the kernel kills
                    file.flush()
            print("WON", name)
        except OSError:
            pass
