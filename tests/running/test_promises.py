"""Each row of the tables of what happens, and each place where it does, is named by a test."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "running.md").read_text()
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
BAD_MOMENT = "test_a_signal_at_a_bad_moment_loses_nothing"
SIGNALS = {
    "to one process of a run, or to its whole group": (SIGNAL, GRACE),
    "two within half a second, as from a scheduler and a launcher": (
        "test_a_signal_that_comes_by_two_ways_is_one",
    ),
    "once more": (
        "test_a_second_request_stops_at_once",
        "test_a_second_signal_ends_a_process_that_is_in_compiled_code",
    ),
    "while a program compiles, a checkpoint is written": (BAD_MOMENT,),
    "while controls are measured": (
        "test_a_signal_while_controls_are_measured_loses_no_finished_column",
        "test_a_signal_while_controls_are_measured_stops_both",
    ),
    "while the report is written": (BAD_MOMENT,),
    "before it trains, as while the others are waited for": (
        "test_a_signal_while_the_others_are_waited_for_is_told_in_one_line",
        "test_a_signal_after_all_have_come_ends_with_the_grace",
    ),
    "a terminal is closed": (CLOSED, NOHUP),
    "a terminal is gone without a signal, as after `disown`": (
        "test_a_terminal_that_is_gone_without_a_signal_ends_no_run",
    ),
    "SIGKILL, to the run or its group": (GRACE,),
}
PROCESSES = {
    "configs, commands, code, package versions or images differ": (
        "test_processes_of_other_configs_refuse_each_other",
        "test_processes_that_differ_are_refused_by_each",
    ),
    "process 0 is late": ("test_a_coordinator_that_is_late_is_waited_for",),
    "process 0 cannot be reached, its port is taken, or not all come": (
        "test_a_coordinator_that_is_not_there_is_told",
        "test_a_port_that_is_taken_is_told",
        "test_processes_that_do_not_come_are_told",
    ),
    "a number is told twice, or another count, before all have come": (
        "test_places_that_do_not_fit_together_end_all_at_once",
    ),
    "one of another run, or one too many, comes to the port of a run that goes": (
        "test_a_run_that_goes_on_is_not_disturbed_by_who_comes_late",
    ),
    "they do not see one folder": (
        "test_folders_that_are_not_one_are_told_by_each",
        "test_a_folder_that_is_shown_late_is_waited_for",
        "test_one_name_from_two_places_is_told",
    ),
    "a process ends by an error": (ERROR,),
    "a process is killed": (GONE, DIES),
    "a process hangs, or its machine is gone": (
        GONE,
        "test_who_lets_no_python_run_is_not_gone_and_takes_nobody_for_gone",
    ),
}


def table(head: str) -> list[list[str]]:
    """The table that begins with this line, its head first."""
    lines = PAGE.split(f"\n{head}")[1].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [head.strip("| ").split(" | "), *cells[2:]]


def test_each_row_and_place_is_named():
    head, *found = table("| | one machine | Slurm | a TPU pod | SkyPilot |")
    assert head == ["one machine", "Slurm", "a TPU pod", "SkyPilot"]
    assert {row[0]: len(row) - 1 for row in found} == {row: len(WHEN[row]) for row in WHEN}


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("| signal | what happens |", SIGNALS),
        ("| what happens | what each process does |", PROCESSES),
    ],
)
def test_each_row_is_named(head, named):
    assert [row[0] for row in table(head)[1:]] == list(named)


def test_what_names_it_is_a_test():
    text = "\n".join(path.read_text() for path in HERE.glob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", text, re.MULTILINE))
    named = [*SIGNALS.values(), *PROCESSES.values(), *(t for row in WHEN.values() for t in row)]
    assert {test for tests in named for test in tests} <= defined
