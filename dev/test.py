"""Runs the whole test suite stage by stage and ends with a summary; the exit code says whether all of it passed.

    dev/test.py                 everything
    dev/test.py unit-wire live  only these stages
    dev/test.py live -- -k kill further arguments for pytest or swift test

The builds come first. Then two groups of stages run side by side, the next one when one has ended; within a group one stage follows
the other. The tests with servers mostly wait, those of the program's parts want the processor.

A stage fails when a test fails, when it ran no test at all and when it says nothing for fifteen minutes. With CI=true a skipped test
fails it too. Three tests of a stage at most run once more, by themselves: of those with servers where a server failed or stalled or the
test's process crashed or never ended, of the program's own where an expectation failed, not where a sanitizer or the process did. The
summary says so and keeps what they said at first: a test that needs a second attempt has a defect, its own or ours. Where the runner
of the live tests fell silent and none had failed, all of them run once more.
"""

import concurrent.futures
import os
import pathlib
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / ".work" / "test"
IN_CI = os.environ.get("CI") == "true"
COLOUR = sys.stdout.isatty()
# The longest silence of a stage that works is a release build's, some minutes.
SILENCE_MAX = 900
# A test with servers that is not done by then never is: it ends with where it stood.
TEST_MAX = 400
# Each has servers of its own. They wait far more than they work: two processors serve four.
LIVE_WORKERS = 4
AGAIN_MAX = 3
# With servers: a real one that fails or stalls, a test process that crashes or never ends. A wait that was in vain is none of them: what it
# waited for may be lost.
NOT_OURS = re.compile(r".*(MilvusException|ServerError|Timeout \(>|worker 'gw\d+' crashed)")
# Swift Testing's, pytest's, the compiler's and the sanitizers' words for something wrong.
CRASH = re.compile(r".*(SUMMARY: \w+Sanitizer|Fatal error:)")
COMPLAINT = re.compile(r"✘ .*(recorded an issue|Time limit)|(FAILED|ERROR) Tests/|.*: error: |error: |.*(SUMMARY: \w+Sanitizer|Fatal error:)")
# Lines that say nothing new to who watches; the log file has them.
ROUTINE = re.compile(r"Cannot export local symbol|^\S+ (Test|Suite) .* (started|passed)|^\[\d+/\d+\]")


# A stage's command: what it runs by itself, or `again`, of all its tests only these (pairs of a class and a name, as its report has them).
def pytest_stage(*options, tests):
    def command(extra, report, again=()):
        chosen = [f"{of.replace('.', '/')}.py::{name}" for of, name in again] or [*options, tests, *extra]
        return ["dev/in-netns", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra",
                "--durations=10", f"--timeout={TEST_MAX}", f"--junitxml={report}.xml", *chosen]

    return command


def swift_stage(*options, tests):
    # The tests are Swift Testing's. XCTest's empty run leaks memory of its own, which the address sanitizer makes a failure.
    def command(extra, report, again=()):
        chosen = [f"--filter=^{re.escape(f'{of}/{name}')}" for of, name in again] or [*tests, *extra]
        return ["dev/in-netns", "swift", "test", "--disable-xctest", *options, f"--xunit-output={report}.xml", *chosen]

    return command


def sanitized_stage(sanitizer, tests):
    # A sanitizer makes a test several times as dear: one after the other none waits for the others' turns beyond its deadlines.
    return swift_stage("--no-parallel", f"--sanitize={sanitizer}", f"--scratch-path=.build-{sanitizer[0]}san", tests=tests)


# name, what it is, command, whether it must report tests
BUILDS = (
    ("build", "debug with tests, warnings are errors", lambda e, r: ["swift", "build", "--build-tests"], False),
    ("release", "the program as it ships", lambda e, r: ["swift", "build", "-c", "release", "--static-swift-stdlib",
                                                          "--product", "cdc-bridge"], False),
)
LIVE = (
    ("live", "real Milvus servers, sandbox and log witnesses, both directions",
     pytest_stage("-n", str(LIVE_WORKERS), "--dist=worksteal", tests="Tests/live"), True),
)
UNIT = (
    # The wire's tests have deadlines and the bridge's long searches take every processor: each has its own run.
    ("unit-wire", "codecs, state machines, connections in memory", swift_stage("--skip-build", tests=["--filter=MilvusWireTests"]), True),
    ("unit-bridge", "tasks, rows, schemas, front, command line, house rules",
     swift_stage("--skip-build", tests=["--skip=MilvusWireTests"]), True),
)
ADDRESS = (
    # The house rules read sources and run nothing of ours: a sanitizer finds nothing in them.
    ("address-wire", "the same with the address sanitizer",
     sanitized_stage("address", ["--filter=MilvusWireTests"]), True),
    ("address-bridge", "the same with the address sanitizer, shorter searches, without house rules",
     sanitized_stage("address", ["--skip=TidyTests", "--skip=MilvusWireTests"]), True),
)
THREAD = (
    ("thread-wire", "the same with the thread sanitizer",
     sanitized_stage("thread", ["--filter=MilvusWireTests"]), True),
    ("thread-bridge", "the same with the thread sanitizer, shorter searches, without house rules",
     sanitized_stage("thread", ["--skip=TidyTests", "--skip=MilvusWireTests"]), True),
)
OTHERS = (
    ("histories", "random histories between sandboxes and real servers, with kills and cuts", pytest_stage(tests="Tests/histories"), True),
    ("docs", "every command of docs/API.md and docs/DEBUGGING.md", lambda e, r: ["dev/in-netns", "dev/check-docs"], False),
    ("protos", "our protos against the official descriptors", pytest_stage(tests="Tests/protos"), True),
    ("interop", "grpcio and ours, both directions", pytest_stage(tests="Tests/interop"), True),
)
# In the order in which they begin: long ones first, so that both lanes end together.
GROUPS = (LIVE, UNIT, ADDRESS, THREAD, OTHERS)
LANES = 2
STAGES = BUILDS + sum(GROUPS, ())


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def count_tests(report):
    """Tests run and skipped according to the report files of the stage (Swift Testing writes one beside the named one)."""
    tests = skipped = 0
    for path in (LOGS / f"{report}.xml", LOGS / f"{report}-swift-testing.xml"):
        if not path.exists():
            continue
        try:
            report_tree = ElementTree.parse(path)
        except ElementTree.ParseError:
            continue  # The run crashed while it wrote its report; its exit code says so.
        for case in report_tree.iter("testcase"):
            if case.find("skipped") is not None:
                skipped += 1
            else:
                tests += 1
    return tests, skipped


def left_behind(directory):
    """What the tests of a stage did not remove; SwiftPM and the compiler leave lock files and directories of their own."""
    theirs = re.compile(r".*\.lock|TemporaryDirectory\..*|swift-generated-sources")
    return sorted(p.name for p in directory.iterdir() if not theirs.fullmatch(p.name))


def stage_environment(name, is_swift):
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
                   # Tests have deadlines: a few at a time, as many as the processors can serve, not all at once.
                   "SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": str(2 * (os.cpu_count() or 1)),
                   "TSAN_OPTIONS": f"suppressions={ROOT / 'dev/thread-sanitizer.supp'}",
                   "LSAN_OPTIONS": f"suppressions={ROOT / 'dev/leak-sanitizer.supp'}"}
    # What a search looks for is found without a sanitizer, at its full depth; with one each of its kinds of step is enough.
    if name.startswith(("address-", "thread-")):
        environment["CDC_BRIDGE_SHORT_SEARCHES"] = "1"
    # Swift tests clean up after themselves, which is checked; pytest keeps the directories of its last runs by design.
    if is_swift:
        temporary = LOGS / f"{name}.tmp"
        temporary.mkdir()
        environment["TMPDIR"] = str(temporary)
    return environment


class Output:
    """Standard output of lanes that run side by side: whole lines, each with its stage where there are two."""

    lock = threading.Lock()
    has_lanes = False

    @classmethod
    def write(cls, name, line):
        with cls.lock:
            sys.stdout.write(paint(f"{name:>14} | ", "2") + line if cls.has_lanes else line)
            sys.stdout.flush()


class Stages:
    """The processes of stages that run now. Each leads a group of its own, so that what it started ends with it."""

    lock = threading.Lock()
    running = set()
    is_over = False

    @classmethod
    def start(cls, arguments, environment):
        with cls.lock:
            if cls.is_over:
                return None
            # The kernel ends it when this process dies, kill -9 included.
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *arguments], cwd=ROOT, env=environment,
                                       start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            cls.running.add(process)
            return process

    @classmethod
    def ended(cls, process):
        with cls.lock:
            cls.running.discard(process)

    @classmethod
    def end_all(cls):
        with cls.lock:
            cls.is_over = True
            for process in cls.running:
                end(process)


def end(process):
    """Ends what a stage started: first so that servers can be stopped in order, then whatever is left."""
    for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 20)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def lines_of(process):
    """The lines of a process as they come; where it is silent for too long it is ended: None, then its last words.

    What it started may hold its output open longer than it lives; nobody waits for that.
    """
    descriptor, rest = process.stdout.fileno(), b""
    heard = time.monotonic()
    while True:
        if not select.select([descriptor], [], [], 5)[0]:
            if process.poll() is not None:
                return
            if time.monotonic() - heard > SILENCE_MAX:
                yield None
                end(process)
            continue
        heard = time.monotonic()
        piece = os.read(descriptor, 1 << 16)
        *whole, rest = (rest + piece).split(b"\n")
        if not piece and rest:
            whole = [rest]
        for line in whole:
            yield line.decode(errors="replace") + "\n"
        if not piece:
            return


def run_stage(name, command, must_report, extra):
    for old in LOGS.glob(f"{name}*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    arguments = command(extra, str((LOGS / name).relative_to(ROOT)))
    environment = stage_environment(name, must_report and "swift" in arguments)
    started = time.monotonic()
    skipped_lines = announcement = 0
    complaints, says_more, is_silent = [], False, False
    process = Stages.start(arguments, environment)
    if process is None:
        return name, "FAILED (not started)", 0, None, 0, []
    Output.write(name, paint(f"=== {name}: {' '.join(arguments)}", "1") + "\n")
    with open(LOGS / f"{name}.log", "w") as log:
        for line in lines_of(process):
            if line is None:
                is_silent = True
                continue
            log.write(line)
            # A test case is announced with its arguments, which may span lines.
            if line.startswith("◇ Test case passing "):
                announcement = 10
            if announcement:
                announcement = 0 if line.endswith("started.\n") else announcement - 1
                continue
            # Of a whole run often only the end is kept: what failed is said there once more.
            says_more = bool(COMPLAINT.match(line)) or (says_more and line.startswith("↳"))
            if says_more:
                complaints.append(line.rstrip()[:600])
            # Swift Testing's report does not list skipped tests, its output does.
            skipped_lines += bool(re.match(r"^\S+ (Test|Suite) .* skipped(\.|:.*)?$", line))
            if not ROUTINE.search(line):
                Output.write(name, line)
    code = process.wait()
    Stages.ended(process)
    seconds = time.monotonic() - started
    tests, skipped = count_tests(name)
    skipped = max(skipped, skipped_lines)
    temporary = LOGS / f"{name}.tmp"
    if is_silent:
        verdict = f"FAILED (silent for {SILENCE_MAX} s)"
    elif code != 0:
        verdict = f"FAILED (exit {code})"
    elif must_report and tests == 0:
        verdict = "FAILED (no test ran)"
    elif skipped and IN_CI:
        verdict = f"FAILED ({skipped} skipped)"
    elif temporary.exists() and left_behind(temporary):
        verdict = f"FAILED (left {left_behind(temporary)[0]})"
    else:
        verdict = "passed"
    if verdict == "passed":
        complaints = []
        shutil.rmtree(temporary, ignore_errors=True)
    counted = f", {tests} tests" if must_report else ""
    Output.write(name, paint(f"=== {name}: {verdict}{counted} in {seconds:.0f} s\n", "32" if verdict == "passed" else "31"))
    return name, verdict, seconds, tests if must_report else None, skipped, complaints


def failures(report):
    """What failed according to the stage's report: the messages for each class and name."""
    try:
        cases = ElementTree.parse(LOGS / f"{report}.xml").iter("testcase")
    except (OSError, ElementTree.ParseError):
        return {}
    found = {}
    for case in cases:
        if troubles := [trouble.get("message", "") for kind in ("failure", "error") for trouble in case.findall(kind)]:
            found[case.get("classname"), case.get("name")] = " ".join(troubles)
    return found


def is_worth_a_second_attempt(is_swift, failed, complaints):
    if not 1 <= len(failed) <= AGAIN_MAX:
        return False
    if is_swift:
        return not any(map(CRASH.match, complaints))
    return all(map(NOT_OURS.match, failed.values()))


def run_again(name, command, extra, first):
    """The stage's result when what it may try once more has run once more."""
    _, verdict, seconds, tests, skipped, complaints = first
    failed = failures(name)
    if name == "live" and verdict.startswith("FAILED (silent") and all(line.endswith(": still running") for line in complaints):
        # Every test ends by itself long before: it is the runner that waits.
        again = run_stage(f"{name}-again", command, True, extra)
        done, tests = f"passed, whole, {verdict[8:-1]} at first", again[3]
    elif verdict == "FAILED (exit 1)" and is_worth_a_second_attempt("swift" in command([], name), failed, complaints):
        again = run_stage(f"{name}-again", lambda _, report: command([], report, list(failed)), True, [])
        done = f"passed, {len(failed)} of them at the second attempt"
    else:
        return first
    is_mended = again[1] == "passed"
    return name, done if is_mended else verdict, seconds + again[2], tests, max(skipped, again[4]), complaints + again[5]


def run_group(stages, extra, results):
    for name, _, command, must_report in stages:
        added = extra if must_report else []
        results[name] = run_stage(name, command, must_report, added)
        if must_report:
            results[name] = run_again(name, command, added, results[name])


def run_lanes(groups, extra, results):
    """Each lane takes the next group when it has ended one. What goes wrong in a lane is raised here: no stage is missed in silence."""
    Output.has_lanes = len(groups) > 1
    lanes = concurrent.futures.ThreadPoolExecutor(LANES)
    try:
        for group in [lanes.submit(run_group, group, extra, results) for group in groups]:
            group.result()
    finally:
        Stages.end_all()
        lanes.shutdown(cancel_futures=True)


def main():
    arguments, extra = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, extra = arguments[:at], arguments[at + 1:]
    known = [stage[0] for stage in STAGES]
    unknown = [a for a in arguments if a not in known]
    if unknown:
        sys.exit(f"dev/test.py: no stage {unknown[0]}; there are: {' '.join(known)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    # What is chosen at random is the same in every stage and in a second attempt.
    print(f"SEED={os.environ.setdefault('SEED', str(random.SystemRandom().randrange(1 << 32)))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    results = {}

    def chosen(stages):
        return [stage for stage in stages if not arguments or stage[0] in arguments]

    try:
        for build in chosen(BUILDS):
            run_group([build], extra, results)
            if results[build[0]][1] != "passed":
                break  # Nothing after it can be trusted.
        else:
            run_lanes([group for group in map(chosen, GROUPS) if group], extra, results)
    finally:
        Stages.end_all()
    return summary([(purpose, *results[name]) for name, purpose, _, _ in STAGES if name in results], time.monotonic() - started)


def summary(results, seconds):
    print(paint("\n=== summary", "1"))
    for _, name, _, _, _, _, complaints in results:
        for line in complaints[:40]:
            print(f"{name}: {line}")
    for purpose, name, verdict, stage_seconds, tests, skipped, _ in results:
        counted = "" if tests is None else f"{tests} tests" + (f", {skipped} skipped" if skipped else "")
        line = f"{name:14} {verdict:22} {stage_seconds:7.1f} s  {counted:24} {purpose}"
        print(paint(line, "32" if verdict == "passed" else "33" if verdict.startswith("passed") else "31"))
    failed = [r[1] for r in results if not r[2].startswith("passed")]
    print(f"\n{'FAILED: ' + ', '.join(failed) if failed else 'all passed'} in {seconds:.0f} s; logs in {LOGS.relative_to(ROOT)}")
    return 1 if failed else 0


sys.exit(main())
