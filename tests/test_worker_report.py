"""What workers tell of their work crosses a pipe, and adds up over processes that come and go."""

import pytest

from mailnode.supervision import LONGEST_WAIT, Supervised, TaskStatus
from mailnode.worker_report import QUEUE_TASK, WorkerReport, total

RUNNING = TaskStatus(QUEUE_TASK, True, 1_000, 2_000, "", 1)
REPORT = WorkerReport(
    outcomes={"sent": 3, "failed": 1},
    answers_due=2,
    outcomes_waiting=1,
    lost=1,
    reason="the disk is full",
    tasks=(RUNNING,),
    left=4,
    error=("it is gone", "start it", "storeUnavailable"),
    is_last=True,
)


def test_a_report_is_the_same_behind_the_pipe() -> None:
    assert REPORT.to_line().count(b"\n") == 1
    assert WorkerReport.from_line(REPORT.to_line()) == REPORT


@pytest.mark.parametrize("line", [b"", b'{"tasks"\n', b"null\n", b"[]\n", b'{"tasks": []}\n', REPORT.to_line()[:50]])
def test_what_is_no_report_is_an_error_that_is_expected(line: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        WorkerReport.from_line(line)


def test_what_a_process_has_counted_outlives_it() -> None:
    dead = REPORT.ended("its process was ended by SIGKILL")
    assert (dead.outcomes, dead.lost, dead.answers_due, dead.outcomes_waiting) == (REPORT.outcomes, 1, 0, 0)
    assert dead.tasks == (TaskStatus(QUEUE_TASK, False, None, 2_000, "its process was ended by SIGKILL", 1),)
    both = dead.followed_by(WorkerReport(outcomes={"sent": 2}, answers_due=1, tasks=(RUNNING,)))
    assert (both.outcomes, both.lost, both.reason, both.answers_due) == (
        {"sent": 5, "failed": 1},
        1,
        "the disk is full",
        1,
    )
    assert both.tasks == (TaskStatus(QUEUE_TASK, True, 1_000, 2_000, "", 2),)


def test_several_add_up() -> None:
    other = WorkerReport(outcomes={"sent": 1}, answers_due=1, tasks=(RUNNING,), left=2, exit_status=1)
    both = total([other, REPORT])
    assert (both.outcomes, both.answers_due, both.lost) == ({"sent": 4, "failed": 1}, 3, 1)
    assert (both.left, both.error, both.exit_status) == (2, REPORT.error, 1)
    assert both.queue_tasks == [RUNNING, RUNNING]


def test_the_pause_before_a_restart_grows_and_the_trouble_is_told(caplog: pytest.LogCaptureFixture) -> None:
    supervised = Supervised("worker 2")
    waits = [supervised.report_end("was ended by SIGKILL") for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT]
    assert (supervised.status.is_alive, supervised.status.defects) == (False, 8)
    assert caplog.messages[1] == "worker 2: its process was ended by SIGKILL; it restarts in 2 s"
