"""Each row and place of the table of what happens when is named by a test."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "running.md").read_text()
SECTION = PAGE.split("## What happens when\n")[1].split("\n## ")[0]

# By column: one machine, Slurm, a TPU pod, SkyPilot; () is where there is nothing to try here.
# Slurm and a pod differ in how a process finds its place, and in nothing after it.
GONE = "test_a_process_that_is_gone_or_hangs_ends_the_others_in_one_line"
DIES = "test_a_process_that_dies_ends_the_other_and_the_restart_goes_on"
POD = "test_a_pod_whose_first_machine_dies_goes_on_when_it_is_back"
TWO = "test_of_two_jobs_of_slurm_in_one_folder_the_second_is_refused"
SKY = "test_a_skypilot_job_goes_on_where_it_is_started_again"
SIGNAL = "test_a_signal_to_one_process_stops_both"
KILLED = "test_killed_at_a_moment_and_run_again"
ERROR = "test_what_ends_one_process_is_told_by_the_others"
FULL = "test_a_full_disk_ends_in_one_line_and_the_run_goes_on_when_there_is_room"
STALE = "test_the_lock_of_another_machine_is_stale_when_it_does_not_change"
WATCHED = "test_the_lock_of_another_machine_holds_while_it_changes"
CLOSED = "test_a_closed_terminal_stops_a_run_after_a_checkpoint"
GRACE = "test_nothing_is_left_of_a_run_that_reads_with_workers"
NOHUP = "test_what_nohup_ignores_stays_ignored"
REFUSED = "test_a_second_process_is_refused_while_the_first_is_alive"
WHEN = {
    "a process dies or hangs": [(KILLED,), (GONE, DIES), (GONE, POD), (KILLED,)],
    "a machine dies": [(STALE,), (DIES,), (POD,), (SKY,)],
    "preempted: SIGTERM, SIGKILL": [(GRACE, SKY), (SIGNAL,), (SIGNAL,), (SKY,)],
    "the disk is full": [(FULL,), (ERROR,), (ERROR,), (FULL,)],
    "process 0, the coordinator, is gone": [(), (GONE, DIES), (POD,), (POD,)],
    "the terminal is closed": [(CLOSED, NOHUP), (SIGNAL,), (SIGNAL,), ()],
    "two starts in one folder": [(REFUSED,), (TWO,), (TWO,), (WATCHED,)],
}


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_row_and_place_is_named():
    head, _, *found = rows(SECTION)
    assert head[1:] == ["one machine", "Slurm", "a TPU pod", "SkyPilot"]
    assert {row[0]: len(row) - 1 for row in found} == {row: len(WHEN[row]) for row in WHEN}


def test_what_names_it_is_a_test():
    text = "\n".join(path.read_text() for path in HERE.glob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", text, re.MULTILINE))
    assert {test for places in WHEN.values() for tests in places for test in tests} <= defined
