#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every test program, two at a time, and adds up their TAP points.

The last line is `N passed, N failed`. A program that dies, runs out of time or says no TAP is one
failure. What each program printed is kept in BUILD/test-logs/.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLOW = float(os.environ.get("DRIBBLE_TEST_SLOW", "1"))


def unit_programs(build):
    """(name, argv, env, cwd) of what meson declares as tests, minus what this script runs itself."""
    told = subprocess.run(["meson", "introspect", "--tests", build], capture_output=True)
    if told.returncode:
        sys.stderr.write(told.stderr.decode(errors="replace"))
        return None
    found = []
    for test in json.loads(told.stdout):
        if not any(part.endswith(".py") for part in test["cmd"]):
            found.append((test["name"], test["cmd"], test.get("env") or {}, test.get("workdir") or ROOT))
    return found


def python_programs(build):
    env = {"DRIBBLE": os.environ.get("DRIBBLE", os.path.join(build, "dribble")),
           "DRIBBLE_FAULTS": os.path.join(build, "tests", "crash", "faults.so")}
    found = []
    for folder in ("wire", "scenario", "property", "crash"):
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", folder, "test_*.py"))):
            found.append((os.path.relpath(path, os.path.join(ROOT, "tests")),
                          [sys.executable, path], env, ROOT))
    return found


def read_tap(text):
    """(passed, [failure with its diagnostics], skipped, complete)"""
    passed, skipped, failures, plan, points, current = 0, 0, [], None, 0, None
    for line in text.split("\n"):
        point = re.match(r"(not )?ok\b(?: +(\d+))?(.*)", line)
        if point:
            points += 1
            current = None
            directive = re.search(r"# *(skip|todo)", point[3], re.I)
            if directive:
                skipped += 1
            elif point[1]:
                current = [line]
                failures.append(current)
            else:
                passed += 1
        elif line.startswith("#") and current is not None:
            current.append(line)
        elif re.fullmatch(r"1\.\.\d+( .*)?", line.rstrip()):
            plan = int(line[3:].split()[0])
            if plan == 0 and re.search(r"# *skip", line, re.I):  # the whole program is skipped
                skipped = points = plan = 1
    return passed, ["\n".join(f) for f in failures], skipped, plan is not None and plan == points, plan, points


def run_program(name, argv, env, cwd, timeout, logs):
    began = time.monotonic()
    log = os.path.join(logs, re.sub(r"[^A-Za-z0-9_.-]+", "-", name) + ".log")
    late = False
    scratch = tempfile.mkdtemp(prefix="dribble-run-")
    os.chmod(scratch, 0o755)  # some tests try what another user may do
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   cwd=cwd, env=dict(os.environ, TMPDIR=scratch, **env), start_new_session=True)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        try:  # also the servers that a dead program left behind: its session is its own
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
    with open(log, "rb") as said:
        text = said.read().decode("utf-8", "replace")
    passed, failures, skipped, complete, plan, points = read_tap(text)
    tail = "\n".join("#   " + l for l in text.rstrip("\n").split("\n")[-15:])
    if late:
        failures.append(f"not ok - {name}: killed after {timeout:g} s\n{tail}")
    elif process.returncode < 0:
        failures.append(f"not ok - {name}: died of signal {-process.returncode}\n{tail}")
    elif not points:
        failures.append(f"not ok - {name}: no TAP (exit {process.returncode})\n{tail}")
    elif not complete:
        failures.append(f"not ok - {name}: plan {plan}, but {points} points (exit {process.returncode})\n{tail}")
    elif process.returncode and not failures:
        failures.append(f"not ok - {name}: exit {process.returncode}\n{tail}")
    return name, passed, failures, skipped, time.monotonic() - began


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--build", default=os.path.join(ROOT, "build"), metavar="DIR")
    options.add_argument("--only", action="append", default=[], metavar="SUBSTRING",
                         help="only the programs whose name contains it (repeatable)")
    options.add_argument("--skip", action="append", default=[], metavar="SUBSTRING")
    options.add_argument("--jobs", type=int, default=2, metavar="N")
    options.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for each program")
    options = options.parse_args()
    if os.environ.get("DRIBBLE_CRASH"):  # tests/crash tries more, or everything
        options.timeout = max(options.timeout, 7200)
    build = os.path.abspath(options.build)
    logs = os.path.join(build, "test-logs")
    os.makedirs(logs, exist_ok=True)

    units = unit_programs(build)
    programs = [p for p in [*(units or []), *python_programs(build)]
                if (not options.only or any(s in p[0] for s in options.only))
                and not any(s in p[0] for s in options.skip)]
    total_passed = total_failed = 0
    if units is None:
        print("FAIL  meson introspect: no list of unit programs")
        total_failed += 1
    if not programs:
        print("FAIL  no test program matches")
        total_failed += 1
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(run_program, *p, options.timeout * SLOW, logs) for p in programs]
        for done in concurrent.futures.as_completed(running):
            name, passed, failures, skipped, took = done.result()
            total_passed += passed
            total_failed += len(failures)
            print(f"{'FAIL' if failures else 'ok  '}  {name}: {passed} passed, {len(failures)} failed"
                  + (f", {skipped} skipped" if skipped else "") + f" ({took:.1f} s)")
            for failure in failures:
                print("    " + failure.replace("\n", "\n    "))
            sys.stdout.flush()
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
