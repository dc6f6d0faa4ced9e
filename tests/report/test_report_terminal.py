"""The line of a step, on a real pseudo-terminal and in a pipe."""

import os
import pty

from higgs_lib.report.terminal import Step, Terminal, duration, redirected


def test_durations_are_minutes_and_seconds():
    assert [duration(seconds) for seconds in (0.4, 59.9, 60, 725)] == ["0:00", "0:59", "1:00", "12:05"]


def test_a_pipe_gets_one_line_at_the_end(tmp_path):
    with (tmp_path / "out").open("w") as file, Step(Terminal(file.fileno()), "03_training", "first run") as step:
        step.progress = "cell 3 of 9"
    assert (tmp_path / "out").read_text() == "03_training            0:00  first run\n"


def test_a_terminal_gets_progress_and_keeps_one_line():
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        with Step(Terminal(terminal.fileno()), "03_training", "first run") as step:
            step.progress = "cell 3 of 9"
            step.show("deep-low-seed1:  25%|##        | 3/12 [00:20<01:00]")
            step._ended.wait(1.3)
            first = os.read(master, 10_000).decode()
        shown = first + os.read(master, 10_000).decode()
    os.close(master)
    assert "cell 3 of 9, deep-low-seed1 25%" in shown
    assert shown.count("\n") == 1
    assert shown.endswith("first run\r\n")


def test_a_stopped_step_says_so(tmp_path):
    with (tmp_path / "out").open("w") as file:
        try:
            with Step(Terminal(file.fileno()), "03_training", "first run"):
                raise ValueError
        except ValueError:
            pass
    assert (tmp_path / "out").read_text().endswith("stopped\n")


def test_output_of_all_kinds_goes_to_the_log(tmp_path, capfd):
    with redirected(tmp_path / "log.txt") as terminal:
        os.write(1, b"standard output\n")
        os.write(2, b"below python\n")
        os.system("echo a child")
        terminal.write("for the user\n")
    os.write(1, b"afterwards\n")
    shown = capfd.readouterr()
    assert shown.out == "for the user\nafterwards\n"
    assert shown.err == ""
    assert sorted((tmp_path / "log.txt").read_text().splitlines()) == ["a child", "below python", "standard output"]


def test_the_log_has_the_lines_of_a_terminal_that_was_closed(tmp_path, capfd):
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream, redirected(tmp_path / "log.txt"):
        terminal = Terminal(stream.fileno())
        terminal.write("before\n")
        os.close(master)
        with Step(terminal, "03_training", "first run"):
            pass
        assert terminal.columns == 0
    assert (tmp_path / "log.txt").read_text() == "03_training            0:00  first run\n"
