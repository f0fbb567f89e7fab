"""What a worker tells of its work: to its command, or as a line of JSON to the process that has started it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from mailnode.supervision import TaskStatus

# The task that works on the queue.
QUEUE_TASK = "the queue's worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What a worker, or several together, have done so far, and how they are.

    `outcomes` counts the deliveries of the queue that have ended, by status; `answers_due` those whose server owes an
    answer; `outcomes_waiting` what the database does not accept now, and `lost` what it never accepted, for `reason`.
    `left` is what a worker has left in the queue at its end, None before; `error` is (message, hint, code) of what
    ended it; `is_last` tells that nothing comes after. `exit_status` is 0, or that of a process which ended badly.
    """

    outcomes: Mapping[str, int] = field(default_factory=dict)
    answers_due: int = 0
    outcomes_waiting: int = 0
    lost: int = 0
    reason: str = ""
    tasks: tuple[TaskStatus, ...] = ()
    left: int | None = None
    error: tuple[str, str, str] | None = None
    is_last: bool = False
    exit_status: int = 0

    @property
    def queue_tasks(self) -> list[TaskStatus]:
        """The tasks that work on the queue, one for each worker."""
        return [task for task in self.tasks if task.name == QUEUE_TASK]

    def to_line(self) -> bytes:
        """Give it as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read what `to_line` gave.

        Raises:
            ValueError, TypeError, KeyError: it is something else.
        """
        stored = json.loads(line)
        stored["tasks"] = tuple(TaskStatus(**task) for task in stored["tasks"])
        stored["error"] = stored["error"] and tuple(stored["error"])
        return cls(**stored)

    def ended(self, reason: str) -> Self:
        """Give what remains true of a worker whose process has ended: what it has counted."""
        tasks = (replace(task, is_alive=False, since=None, reason=reason) for task in self.tasks)
        return replace(self, answers_due=0, outcomes_waiting=0, tasks=tuple(tasks))

    def followed_by(self, later: Self) -> Self:
        """Add what the process has counted that came in the place of this one."""
        defects = {task.name: task.defects for task in self.tasks}
        tasks = (replace(task, defects=task.defects + defects.get(task.name, 0)) for task in later.tasks)
        counted = dict(Counter(self.outcomes) + Counter(later.outcomes))
        reason = later.reason if later.lost else self.reason
        return replace(later, outcomes=counted, lost=self.lost + later.lost, reason=reason, tasks=tuple(tasks))


def total(reports: Iterable[WorkerReport]) -> WorkerReport:
    """Add up what several workers report at one moment."""
    reports = list(reports)
    return WorkerReport(
        outcomes=dict(sum((Counter(one.outcomes) for one in reports), Counter[str]())),
        answers_due=sum(one.answers_due for one in reports),
        outcomes_waiting=sum(one.outcomes_waiting for one in reports),
        lost=sum(one.lost for one in reports),
        reason=next((one.reason for one in reports if one.lost), ""),
        tasks=tuple(task for one in reports for task in one.tasks),
        left=min((one.left for one in reports if one.left is not None), default=None),  # they count the same queue
        error=next((one.error for one in reports if one.error), None),
        exit_status=max((one.exit_status for one in reports), default=0),
    )
