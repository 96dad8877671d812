import gc
import mmap
from dataclasses import replace

from qgen.runtime.memory import Memory, MemoryMonitor, measure
from qgen.settings.runtime import MemoryConfig


def test_resident_memory_grows_with_what_is_held():
    gc.collect()
    before = measure()
    held = mmap.mmap(-1, 256 * 2**20)  # from the system, whatever the heap of the tests before has free
    held.write(b"x" * len(held))
    after = measure()
    assert after.allocated - before.allocated > 200 * 2**20
    assert after.peak >= after.allocated
    held.close()


class State:
    def __init__(self, step):
        self.global_step = step


def reports(share, config=None):
    rows = []
    memory = Memory("card", allocated=10, reserved=int(share * 100), peak=90, total=100)
    readings = iter([memory, replace(memory, reserved=20)])
    return rows, MemoryMonitor(config or MemoryConfig(), rows.append, lambda: next(readings, memory))


def test_it_cleans_above_the_threshold_and_says_what_that_freed():
    rows, monitor = reports(0.5)
    monitor.report("rollout", 3)
    assert (rows[0]["node"], rows[0]["step"], rows[0]["share"], rows[0]["freed"]) == ("rollout", 3, 0.5, 30)


def test_it_leaves_memory_alone_below_the_threshold():
    rows, monitor = reports(0.3)
    monitor.report("rollout")
    assert "freed" not in rows[0]


def test_nodes_and_steps_are_reported():
    rows, monitor = reports(0.1, MemoryConfig(every=5))
    monitor.on_train_begin(None, State(0), None)
    for step in range(1, 11):
        monitor.on_step_end(None, State(step), None)
    monitor.on_save(None, State(10), None)
    monitor.on_train_end(None, State(10), None)
    assert [(r["node"], r["step"]) for r in rows] == [
        ("train begins", 0), ("step", 5), ("step", 10), ("checkpoint", 10), ("train ends", 10),
    ]  # fmt: skip


def test_a_validation_before_the_first_step_is_no_phase_of_a_step():
    rows, monitor = reports(0.1, MemoryConfig(every=1))
    validate = monitor.follow("validation", lambda: None)
    validate()
    monitor.on_train_begin(None, State(0), None)
    monitor.on_step_begin(None, State(0), None)
    monitor.on_step_end(None, State(1), None)
    validate()
    monitor.on_train_end(None, State(1), None)
    assert [set(r["phases"]) for r in rows] == [{"validation"}, {"forward-backward"}, {"validation"}]
