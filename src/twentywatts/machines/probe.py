"""The probe: what this computer says of its own processor, read from plain files and never failing on a missing one.

Linux: /proc/cpuinfo, /proc/meminfo and /sys below a root that tests replace by a folder. macOS: sysctl. Windows: the
registry. Nothing that changes from one second to the next is read (the momentary clock in /proc/cpuinfo does).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping

from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Host", "probe"]

_MAX_FILE_BYTES = 4_000_000
_HYPERVISORS = re.compile(
    r"qemu|kvm|amazon ec2|google compute|virtual machine|vmware|virtualbox|\bxen\b|hvm domu", re.I
)
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30, "": 1}
Cpuinfo = list[dict[str, str]]


@record()
class Host:
    """What was found; empty or 0 where the host does not say.

    model: name for people. text: everything that may name the model. core_count: physical, thread_count: logical.
    base_hz, max_hz: nominal and highest clock. cache_bytes: last level, all slices. memory_bytes: installed.
    flags: instruction sets. virtual: a hypervisor is there.
    """

    model: str = ""
    text: str = ""
    core_count: int = 0
    thread_count: int = 0
    base_hz: float = 0.0
    max_hz: float = 0.0
    cache_bytes: float = 0.0
    memory_bytes: float = 0.0
    flags: frozenset[str] = frozenset()
    virtual: bool = False


def probe(root: Path | str, platform_machine: str, *, is_brief: bool = False) -> Host:
    """Return what the computer under ``root`` says of itself; is_brief: its name, its cores and its flags alone."""
    if os.fspath(root) == "/" and sys.platform == "darwin":
        return _macos()
    if os.fspath(root) == "/" and sys.platform == "win32":
        return _windows()
    return _linux(root, platform_machine, is_brief=is_brief)


def _read(*parts: Path | str) -> str:
    """Return a file's text, empty where there is none or it cannot be read."""
    try:
        with open(os.path.join(*parts), "rb") as file:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace").strip("\0\n ")
    except (OSError, ValueError):
        return ""


def _number(text: str) -> float:
    found = re.match(r"\s*(\d{1,15}(?:\.\d{1,9})?)", text)
    return float(found.group(1)) if found else 0.0


def _linux(root: Path | str, platform_machine: str, *, is_brief: bool) -> Host:
    processors = _cpuinfo(_read(root, "proc/cpuinfo"))
    first: Mapping[str, str] = next((entry for entry in processors if len(entry) > 1), {})
    board = _read(root, "proc/device-tree/model") or _read(root, "sys/firmware/devicetree/base/model")
    board = board or next((entry["Model"] for entry in processors if "Model" in entry), "")
    product = " ".join(_read(root, "sys/class/dmi/id", name) for name in ("sys_vendor", "product_name"))
    arm_part = first.get("CPU part", "") if first.get("CPU implementer") == "0x41" else ""
    name = first.get("model name", "")
    flags = frozenset(f"{first.get('flags', '')} {first.get('Features', '')}".split())
    logical = [entry for entry in processors if "processor" in entry]
    frequency = os.path.join(root, "sys/devices/system/cpu/cpu0/cpufreq")
    return Host(
        model=name or board or (f"Arm core {arm_part}" if arm_part else ""),
        text=" ".join(filter(None, (name, arm_part, board, platform_machine))),
        core_count=_cores(logical),
        thread_count=len(logical) or _present(root),
        base_hz=_number(_read(frequency, "base_frequency")) * 1e3 or _nominal_hz(first),
        max_hz=_number(_read(frequency, "cpuinfo_max_freq")) * 1e3,
        cache_bytes=0.0 if is_brief else _cache(root),
        memory_bytes=0.0 if is_brief else _memory(_read(root, "proc/meminfo")),
        flags=flags,
        virtual="hypervisor" in flags or bool(_HYPERVISORS.search(product)),
    )


def _cpuinfo(text: str) -> Cpuinfo:
    """Return one table per block of /proc/cpuinfo."""
    blocks = re.split(r"\n\s*\n", text)
    lines = ([line.split(":", 1) for line in block.splitlines() if ":" in line] for block in blocks)
    return [{key.strip(): value.strip() for key, value in block} for block in lines if block]


def _cores(logical: Cpuinfo) -> int:
    """Return the physical cores: distinct (package, core) pairs, or every processor where it names none."""
    pairs = {(entry.get("physical id", ""), entry["core id"]) for entry in logical if "core id" in entry}
    return len(pairs) or len(logical)


def _present(root: Path | str) -> int:
    """Return the highest number in a list such as 0-3 plus one."""
    numbers = re.findall(r"\d{1,6}", _read(root, "sys/devices/system/cpu/present"))
    return int(numbers[-1]) + 1 if numbers else 0


def _nominal_hz(entry: Mapping[str, str]) -> float:
    """Return the nominal clock: as the name tells it, or half of bogomips, which on x86 is the time stamp counter's."""
    named = re.search(r"@ ?(\d+(?:\.\d+)?) ?GHz", entry.get("model name", ""))
    if named:
        return float(named.group(1)) * 1e9
    bogomips = _number(entry.get("bogomips", "")) if "flags" in entry else 0.0
    return round(bogomips / 2 / 10) * 10e6


def _cache(root: Path | str) -> float:
    """Return the bytes of the last cache level, its slices summed."""
    sizes: dict[tuple[int, str], float] = {}
    for folder in _glob(os.path.join(root, "sys/devices/system/cpu"), "cpu[0-9]*/cache/index[0-9]*"):
        size = re.fullmatch(r"(\d{1,12})([KMG]?)", _read(folder, "size"))
        level = _read(folder, "level")
        if size and level.isdigit() and _read(folder, "type") != "Instruction":
            key = (int(level), _read(folder, "shared_cpu_list") or folder.parent.parent.name)
            sizes[key] = float(size.group(1)) * _SIZES[size.group(2)]
    last = max((level for level, _ in sizes), default=0)
    return sum(size for (level, _), size in sizes.items() if level == last) if last > 1 else 0.0


def _glob(folder: str, pattern: str) -> Iterator[Path]:
    from pathlib import Path

    try:
        yield from sorted(Path(folder).glob(pattern))
    except OSError:
        return


def _memory(meminfo: str) -> float:
    found = re.search(r"^MemTotal:\s*(\d{1,15}) kB", meminfo, re.M)
    return float(found.group(1)) * 1024 if found else 0.0


def _macos() -> Host:
    import platform
    import subprocess

    def ask(name: str) -> str:
        try:
            command = ["/usr/sbin/sysctl", "-n", name]
            return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""

    name = ask("machdep.cpu.brand_string")
    flags = f"{ask('machdep.cpu.features')} {ask('machdep.cpu.leaf7_features')}".lower().split()
    return Host(
        model=name,
        text=f"{name} {platform.machine()}",
        core_count=int(_number(ask("hw.physicalcpu"))),
        thread_count=int(_number(ask("hw.logicalcpu"))),
        base_hz=_number(ask("hw.cpufrequency")),
        max_hz=_number(ask("hw.cpufrequency_max")),
        cache_bytes=_number(ask("hw.l3cachesize")) or _number(ask("hw.perflevel0.l2cachesize")),
        memory_bytes=_number(ask("hw.memsize")),
        flags=frozenset(flags),
        virtual=ask("kern.hv_vmm_present") == "1",
    )


def _windows() -> Host:
    import platform

    name = platform.processor()
    if sys.platform == "win32":
        import winreg

        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
                name = str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
        except OSError:
            pass
    threads = os.cpu_count() or 0
    return Host(
        model=name,
        text=f"{name} {platform.machine()}",
        core_count=threads,
        thread_count=threads,
        base_hz=_nominal_hz({"model name": name}),
    )
