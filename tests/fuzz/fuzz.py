"""Makes calls with keys of every shape, written everywhere, and looks for them in what is emitted.

``make fuzz`` runs 100,000 cases. A failure prints how to run that case alone.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_cases import BATCH, run_cases
from rich.progress import Progress

_SHOWN = 20
_PIECE = 5 * BATCH


def failures(seed, numbers):
    """Run cases; return what there is to say of each that shows a key."""
    return [
        f"case {case.number} of seed {seed} shows a key; alone:"
        f" .venv/bin/python tests/fuzz/fuzz.py --seed {seed} --case {case.number}\n"
        f"  {case}\n" + "\n".join(f"  → {one.signal}: {one.shown!r}" for one in leaks)
        for case, leaks in run_cases(seed, iter(numbers))
        if leaks
    ]


def _pieces(seed, cases, workers):
    pieces = [range(at, min(at + _PIECE, cases)) for at in range(0, cases, _PIECE)]
    with ProcessPoolExecutor(workers) as pool:
        for piece, found in zip(
            pieces, pool.map(failures, [seed] * len(pieces), pieces), strict=True
        ):
            yield len(piece), found


def main(arguments=None):
    """Run the cases; return 1 if any shows a key."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="of this time")
    parser.add_argument("--case", type=int, help="run this one alone")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.case is not None:
        found = failures(options.seed, [options.case])
        print("\n".join(found) or f"case {options.case} of seed {options.seed}: nothing is shown")
        return bool(found)
    told = []
    with Progress() as progress:
        task = progress.add_task(f"seed {options.seed}", total=options.cases)
        for done, found in _pieces(options.seed, options.cases, options.workers):
            progress.update(task, advance=done)
            if not progress.console.is_terminal and progress.tasks[task].completed % 5000 == 0:
                print(f"{progress.tasks[task].completed:.0f} cases", flush=True)
            for one in found[: max(0, _SHOWN - len(told))]:
                progress.console.print(one, markup=False, highlight=False, soft_wrap=True)
            told += found
    print(f"{options.cases} cases of seed {options.seed}: {len(told)} leaks")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
