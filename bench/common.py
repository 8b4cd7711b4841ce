# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of this folder share: the release build, the workload, processes, medians."""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS = os.sysconf("SC_CLK_TCK")
median = statistics.median


def die(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def tool(command, package=None):
    """The path of a program, which a package of Debian brings."""
    return shutil.which(command) or die(f"{command} is missing: apt-get install {package or command}")


def build():
    """The program as it is shipped; DRIBBLE names another."""
    if os.environ.get("DRIBBLE"):
        return os.environ["DRIBBLE"]
    folder = os.path.join(ROOT, "build-bench")
    subprocess.run([os.path.join(ROOT, "packaging", "need"), "build"], check=True)
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        subprocess.run(["meson", "setup", folder, ROOT, "-Dbuildtype=release", "-Dtests=false"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "dribble"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "dribble")


def folder_option(parser):
    parser.add_argument("--folder", help="where files are made, and removed ($TMPDIR or /tmp)")


def workload_options(parser):
    parser.add_argument("--records", type=int, default=1000000, help="distinct records (1000000)")
    parser.add_argument("--observations", type=int, default=2000000, help="lines (2000000)")
    parser.add_argument("--hot", type=int, default=100000, help="of the records: CNAMEs with one target (100000)")
    folder_option(parser)


def workload(dribble, folder, options):
    path = os.path.join(folder, "workload.ndjson")
    subprocess.run([dribble, "bench", "--records", str(options.records), "--observations", str(options.observations),
                    "--hot", str(options.hot), "--write", path], check=True)
    return path


def temporary(options):
    return tempfile.TemporaryDirectory(prefix="dribble-", dir=options.folder)


def tree_octets(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_of(pid):
    """Seconds of processor that a process that runs has taken."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def anonymous_mib(pid):
    """Memory that is not that of files."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1]) / 1024


def stop(process, how=signal.SIGTERM):
    if process and process.poll() is None:
        process.send_signal(how)
        process.wait()


def goal(what, figure, unit="", least=None, most=None):
    """Says a figure beside what it should be. bench/goals collects these lines."""
    bound = f"at least {least:,}" if least is not None else f"at most {most:,}"
    met = figure >= least if least is not None else figure <= most
    digits = 0 if abs(figure) >= 1000 or figure == int(figure) else 2
    print(f"goal: {what} | {figure:.{digits}f} {unit}".rstrip() + f" | {bound} | {'met' if met else 'MISSED'}", flush=True)


def about():
    """Where and when: the head of every report."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                            check=False).stdout.strip()
    date = subprocess.run(["date", "-u", "+%F %H:%M"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{date} UTC, commit {commit or 'unknown'}, {os.cpu_count()} x {model[1] if model else 'processor'}, "
          f"load {os.getloadavg()[0]:.1f} before")
    print("$ bench/" + " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]), flush=True)
