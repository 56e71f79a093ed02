"""Limits of control groups, read from trees of both versions."""

from __future__ import annotations

import pytest

from bench.machine.cgroup import cgroup_memory, cgroup_quota
from tests.machine.conftest import System

V1_MOUNTS = (
    "31 25 0:27 {top} /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
    "32 25 0:28 {top} /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
)
V1_GROUPS = "12:cpuset:/docker/x\n4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n1:name=systemd:/docker/x\n"
CPU = "/sys/fs/cgroup/cpu,cpuacct"


def test_where_nothing_is_told_there_is_no_limit(system: System) -> None:
    assert (cgroup_quota(system({})), cgroup_memory(system({}))) == (None, None)


@pytest.mark.parametrize(("top", "inside"), [("/docker/x", ""), ("/docker", "/x"), ("/", "/docker/x")])
def test_version_1_is_read_where_the_group_is_mounted(system: System, top: str, inside: str) -> None:
    root = system(
        {
            "/proc/self/cgroup": V1_GROUPS,
            "/proc/self/mountinfo": V1_MOUNTS.format(top=top),
            f"{CPU}{inside}/cpu.cfs_quota_us": "250000\n",
            f"{CPU}{inside}/cpu.cfs_period_us": "100000\n",
            f"/sys/fs/cgroup/memory{inside}/memory.limit_in_bytes": "4294967296\n",
        }
    )
    assert (cgroup_quota(root), cgroup_memory(root)) == (2.5, 2**32)


def test_version_1_has_numbers_for_no_limit(system: System) -> None:
    root = system(
        {
            "/proc/self/cgroup": V1_GROUPS,
            "/proc/self/mountinfo": V1_MOUNTS.format(top="/docker/x"),
            f"{CPU}/cpu.cfs_quota_us": "-1\n",
            f"{CPU}/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        }
    )
    assert (cgroup_quota(root), cgroup_memory(root)) == (None, None)


def test_in_version_1_the_tightest_limit_on_the_way_up_counts(system: System) -> None:
    root = system(
        {
            "/proc/self/cgroup": "4:cpu:/kubepods/pod/box\n",
            "/sys/fs/cgroup/cpu/kubepods/pod/box/cpu.cfs_quota_us": "400000",
            "/sys/fs/cgroup/cpu/kubepods/pod/box/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu/kubepods/pod/cpu.cfs_quota_us": "150000",
            "/sys/fs/cgroup/cpu/kubepods/pod/cpu.cfs_period_us": "50000",
        }
    )
    assert cgroup_quota(root) == 3.0


def test_in_version_2_the_tightest_limit_on_the_way_up_counts(system: System) -> None:
    files = {
        "/proc/self/cgroup": "1:name=systemd:/old\n0::/user.slice/job.scope\n",
        "/sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
        "/sys/fs/cgroup/cpu.max": "400000 100000\n",
        "/sys/fs/cgroup/user.slice/job.scope/memory.max": "max\n",
        "/sys/fs/cgroup/memory.max": "1000000\n",
    }
    assert (cgroup_quota(system(files)), cgroup_memory(system(files))) == (1.5, 1_000_000)


def test_version_2_beside_version_1_is_found_by_its_mount(system: System) -> None:
    root = system(
        {
            "/proc/self/cgroup": "4:cpu:/\n0::/box\n",
            "/proc/self/mountinfo": "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/unified/box/cpu.max": "50000 100000\n",
            "/sys/fs/cgroup/box/cpu.max": "10000 100000\n",
        }
    )
    assert cgroup_quota(root) == 0.5
