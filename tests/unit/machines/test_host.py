"""this-cpu: composed from folders of plain files that stand for computers."""

from __future__ import annotations

from pathlib import Path

import pytest

from twentywatts.errors import MachineError
from twentywatts.figures import load_sources
from twentywatts.machines import Machine, bundled_names, load
from twentywatts.machines.host import OVERRIDE, this_cpu
from twentywatts.machines.machine import KEYS, REQUIRED

SKYLAKE_FLAGS = "fpu sse2 avx f16c fma avx2 avx512f avx512bw"


def x86(*, name: str, cores: int, threads: int, flags: str, bogomips: float, vendor: str = "GenuineIntel") -> str:
    """Return a /proc/cpuinfo of one package; threads are numbered after all cores, as Linux does."""
    blocks = [
        f"processor\t: {thread}\nvendor_id\t: {vendor}\nmodel name\t: {name}\ncpu MHz\t\t: {800 + thread}.123\n"
        f"physical id\t: 0\ncore id\t\t: {thread % cores}\ncpu cores\t: {cores}\nflags\t\t: {flags}\n"
        f"bogomips\t: {bogomips}\n"
        for thread in range(threads)
    ]
    return "\n".join(blocks)


def arm(*, part: str, cores: int, tail: str = "") -> str:
    blocks = [
        f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU part\t: {part}\n"
        for core in range(cores)
    ]
    return "\n".join(blocks) + tail


def computer(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder


def caches(sizes: dict[tuple[int, str], str], cpus: int) -> dict[str, str]:
    """Return /sys cache files: (level, shared_cpu_list) → size, shown to every processor of the list."""
    found = {}
    for cpu in range(cpus):
        for index, ((level, shared), size) in enumerate(sizes.items()):
            first, _, last = shared.partition("-")
            if int(first) <= cpu <= int(last or first):
                folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
                files = {"level": str(level), "size": size, "type": "Unified", "shared_cpu_list": shared}
                found |= {f"{folder}/{key}": text + "\n" for key, text in files.items()}
    return found


def clocks(*, base_khz: int = 0, max_khz: int = 0) -> dict[str, str]:
    folder = "sys/devices/system/cpu/cpu0/cpufreq"
    found = {f"{folder}/cpuinfo_max_freq": f"{max_khz}\n"} if max_khz else {}
    return found | ({f"{folder}/base_frequency": f"{base_khz}\n"} if base_khz else {})


@pytest.fixture
def xeon_vm(tmp_path: Path) -> Machine:
    name = "Intel(R) Xeon(R) Platinum 8272CL CPU @ 2.60GHz"
    cpuinfo = x86(name=name, cores=4, threads=8, flags=f"{SKYLAKE_FLAGS} avx512_vnni hypervisor", bogomips=5187.81)
    sizes = {(2, "0-1"): "1024K", (3, "0-7"): "36608K"}
    root = computer(tmp_path, {"proc/cpuinfo": cpuinfo, "proc/meminfo": "MemTotal: 32873216 kB\n"} | caches(sizes, 8))
    return this_cpu(root=root, platform_machine="x86_64")


@pytest.fixture
def epyc(tmp_path: Path) -> Machine:
    cpuinfo = x86(
        name="AMD EPYC 7763 64-Core Processor",
        cores=64,
        threads=128,
        flags="sse2 avx fma avx2",
        bogomips=4899.8,
        vendor="AuthenticAMD",
    )
    slices = {(3, f"{8 * i}-{8 * i + 7}"): "32768K" for i in range(8)}
    texts = {"proc/cpuinfo": cpuinfo, "sys/class/dmi/id/sys_vendor": "Supermicro\n"}
    root = computer(tmp_path, texts | caches(slices, 64) | clocks(max_khz=3529052))
    return this_cpu(root=root, platform_machine="x86_64")


@pytest.fixture
def client(tmp_path: Path) -> Machine:
    name = "12th Gen Intel(R) Core(TM) i7-12700K"
    cpuinfo = x86(name=name, cores=12, threads=20, flags="sse2 avx fma avx2 avx_vnni", bogomips=7219.2)
    root = computer(tmp_path, {"proc/cpuinfo": cpuinfo} | clocks(base_khz=3600000, max_khz=4900000))
    return this_cpu(root=root, platform_machine="x86_64")


@pytest.fixture
def raspberry(tmp_path: Path) -> Machine:
    tail = "\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    texts = {
        "proc/cpuinfo": arm(part="0xd08", cores=4, tail=tail),
        "proc/meminfo": "MemTotal:        3885396 kB\n",
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    }
    return this_cpu(root=computer(tmp_path, texts | clocks(max_khz=1800000)), platform_machine="aarch64")


@pytest.fixture
def graviton(tmp_path: Path) -> Machine:
    texts = {"proc/cpuinfo": arm(part="0xd40", cores=2), "sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}
    return this_cpu(root=computer(tmp_path, texts), platform_machine="aarch64")


@pytest.fixture
def container(tmp_path: Path) -> Machine:
    name = "Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz"
    cpuinfo = x86(name=name, cores=4, threads=4, flags="sse2 avx fma avx2", bogomips=6400.0)
    return this_cpu(root=computer(tmp_path, {"proc/cpuinfo": cpuinfo}), platform_machine="x86_64")


GARBAGE = ("", "\0\udcff\n\n::::\nprocessor\nflags:", "processor: x\n" * 3, "bogomips: 1e999\nflags: avx\nprocessor: 0")


@pytest.mark.parametrize("name", ["xeon_vm", "epyc", "client", "raspberry", "graviton", "container"])
def test_every_computer_gives_a_whole_machine(name: str, request: pytest.FixtureRequest) -> None:
    assert_whole(request.getfixturevalue(name))


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_gives_a_whole_machine(text: str, tmp_path: Path) -> None:
    root = computer(tmp_path, {"proc/cpuinfo": text, "proc/meminfo": "MemTotal: many kB"})
    assert_whole(this_cpu(root=root, platform_machine=""))


def assert_whole(machine: Machine) -> None:
    assert (machine.name, machine.family, machine.origin) == ("this-cpu", "processor", "detected")
    assert set(REQUIRED["processor"]) <= set(machine.figures) <= KEYS["processor"]
    for figure in machine.figures.values():
        assert 0 < figure.low <= figure.value <= figure.high
        assert figure.source in load_sources()
        assert figure.where
        assert figure.condition


def test_peak_is_cores_times_clock_times_operations_per_cycle(xeon_vm: Machine, client: Machine) -> None:
    assert xeon_vm.value("peak_fp32_flop_per_s") == pytest.approx(4 * 2.6e9 * 64)
    assert xeon_vm.value("peak_int8_op_per_s") == pytest.approx(4 * 2.6e9 * 256)
    assert client.value("peak_fp32_flop_per_s") == pytest.approx(12 * (3.6e9 * 4.9e9) ** 0.5 * 32)


def test_a_virtual_machine_is_a_guess_and_says_so(xeon_vm: Machine, graviton: Machine) -> None:
    for machine in (xeon_vm, graviton):
        assert machine.figures["peak_fp32_flop_per_s"].grade == "guess"
        assert "share of a server" in machine.figures["max_power_w"].condition
        assert "virtual machine" in machine.summary
    assert xeon_vm.figures["cache_capacity_bytes"].low < 0.5 * 36608 * 1024


def test_a_real_machine_with_a_cited_row_is_derived(epyc: Machine) -> None:
    assert epyc.figures["peak_fp32_flop_per_s"].grade == "derived"
    assert epyc.figures["max_power_w"].grade == "derived"
    assert epyc.value("max_power_w") == pytest.approx(280, rel=0.05)  # the published limit of this model
    assert epyc.value("cache_capacity_bytes") == 256 * 2**20


def test_threads_are_not_cores(epyc: Machine, client: Machine) -> None:
    assert epyc.traits["cores"] == 64
    assert "64 cores, 128 threads" in epyc.summary
    assert client.traits["cores"] == 12


def test_hidden_instructions_bound_the_published_rate(tmp_path: Path) -> None:
    name = "Intel(R) Xeon(R) Platinum 8480+"
    cpuinfo = x86(name=name, cores=2, threads=2, flags="sse2 avx fma avx2 hypervisor", bogomips=4000.0)
    machine = this_cpu(root=computer(tmp_path, {"proc/cpuinfo": cpuinfo}), platform_machine="x86_64")
    assert machine.value("peak_fp32_flop_per_s") == pytest.approx(2 * 2e9 * 32)
    assert machine.value("peak_int8_op_per_s") == pytest.approx(2 * 2e9 * 43)


def test_raspberry_pi_is_known_by_its_part(raspberry: Machine) -> None:
    assert "Raspberry Pi 4" in raspberry.title
    assert raspberry.value("peak_fp32_flop_per_s") == pytest.approx(4 * 1.8e9 * 8)
    assert raspberry.value("memory_capacity_bytes") == 3885396 * 1024


def test_an_arm_part_number_of_another_designer_is_not_taken(tmp_path: Path) -> None:
    cpuinfo = arm(part="0xd40", cores=2).replace("0x41", "0x4e")
    machine = this_cpu(root=computer(tmp_path, {"proc/cpuinfo": cpuinfo}), platform_machine="aarch64")
    assert "does not know" in machine.summary


def test_without_sys_the_clock_comes_from_the_name_and_the_momentary_clock_is_ignored(container: Machine) -> None:
    assert container.value("peak_fp32_flop_per_s") == pytest.approx(4 * 3.2e9 * 32)
    assert "3.20 GHz (nominal)" in container.summary


def test_an_unreadable_computer_is_a_wide_guess_with_the_reason(tmp_path: Path) -> None:
    machine = this_cpu(root=tmp_path / "nowhere", platform_machine="")
    assert "Nothing is known" in machine.summary
    peak = machine.figures["peak_fp32_flop_per_s"]
    assert peak.grade == "guess"
    assert peak.high / peak.low > 4


def test_detection_never_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(root: Path, platform_machine: str) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("twentywatts.machines.host.probe", broken)
    assert "detection failed (RuntimeError)" in this_cpu(root=tmp_path).summary


def test_this_computer_is_found_twice_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    first, second = load("this-cpu"), load("this-cpu")
    assert first.figures == second.figures
    assert first.title == second.title


def test_the_environment_replaces_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "epyc-7763")
    machine = load("this-cpu")
    assert machine.name == "this-cpu"
    assert machine.figures == load("epyc-7763").figures
    monkeypatch.setenv(OVERRIDE, "this-cpu")
    assert load("this-cpu").origin == "detected"


@pytest.mark.parametrize("wanted", ["loihi", "epyc-7764", "missing.toml", "human-brain"])
def test_a_wrong_replacement_is_told(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, wanted)
    with pytest.raises(MachineError, match=OVERRIDE):
        load("this-cpu")


def test_the_generic_core_is_no_chip() -> None:
    assert "generic-cpu" not in bundled_names()
    with pytest.raises(MachineError, match="unknown machine"):
        load("generic-cpu")
