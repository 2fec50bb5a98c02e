"""What to do about a counter that cannot be read: exact commands, in order; group read only, never world read.

Anybody who may read the energy counters of a processor can learn what others compute on it (PLATYPUS, CVE-2020-8694);
that is why the kernel gives them to root alone, and why these rules open them to one group and not to everybody.
"""

from __future__ import annotations

from twentywatts.meter.sources.files import Tree

__all__ = [
    "GROUP",
    "container",
    "file_permission",
    "in_container",
    "no_powercap",
    "perf_permission",
    "powercap_permission",
]

GROUP = "energy"
_JOIN = (f"sudo groupadd --force {GROUP}", f'sudo usermod --append --groups {GROUP} "$USER"  # then log in again')
_RULE = (
    'SUBSYSTEM=="powercap", KERNEL=="*rapl*:*", '
    f'RUN+="/bin/chgrp {GROUP} %S%p/energy_uj", RUN+="/bin/chmod 0440 %S%p/energy_uj"'
)


def powercap_permission() -> tuple[str, ...]:
    """Return the commands that let one group read energy_uj, now and after every boot."""
    return (
        *_JOIN,
        f"echo '{_RULE}' | sudo tee /etc/udev/rules.d/70-twentywatts.rules",
        "sudo udevadm control --reload",
        "sudo udevadm trigger --subsystem-match=powercap --action=add",
    )


def file_permission(files: str) -> tuple[str, ...]:
    """Return the commands that let one group read ``files`` (a pattern), now and after every boot."""
    return (
        *_JOIN,
        f"echo 'z {files} 0440 root {GROUP} -' | sudo tee /etc/tmpfiles.d/twentywatts.conf",
        "sudo systemd-tmpfiles --create /etc/tmpfiles.d/twentywatts.conf",
    )


def perf_permission() -> tuple[str, ...]:
    """Return the commands that let this user open the energy events of perf."""
    return (
        "sudo sysctl kernel.perf_event_paranoid=0",
        "echo 'kernel.perf_event_paranoid=0' | sudo tee /etc/sysctl.d/70-twentywatts.conf",
    )


def container() -> tuple[str, ...]:
    """Return how to start a container that sees the counters: Docker hides them at their own place."""
    return ("docker run --volume /sys:/host/sys:ro …  # the counters are then found below /host/sys",)


def in_container(tree: Tree) -> bool:
    """Return whether this machine is a container, by the marks that Docker, Podman and systemd leave."""
    if any(name in (".dockerenv", ".containerenv") for name in tree.names(tree.root)):
        return True
    marks = (("run", ".containerenv"), ("run", "systemd", "container"))
    return any(parts[-1] in tree.names(tree.at(*parts[:-1])) for parts in marks)


def no_powercap(tree: Tree) -> tuple[str, tuple[str, ...]]:
    """Return why there is no RAPL zone here, and what would help."""
    if not tree.names(tree.at("sys")):
        return "there is no /sys here", container() if in_container(tree) else ()
    processor = _processor(tree)
    if " hypervisor" in processor:
        return "this is a virtual machine: its host keeps the energy counters", ()
    if in_container(tree):
        return "the container does not show the host's energy counters", container()
    if "GenuineIntel" in processor or "AuthenticAMD" in processor:
        return "the kernel shows no RAPL zones: its module may not be loaded", ("sudo modprobe intel_rapl_msr",)
    return "this processor has no RAPL zones", ()


def _processor(tree: Tree) -> str:
    """Return the first page of /proc/cpuinfo, one line."""
    try:
        return tree.text(tree.at("proc", "cpuinfo")).replace("\n", " ")
    except Exception:  # a reader of a fixture may fail in any way: then nothing is known of the processor
        return ""
