"""Turns the results of a run into one table and the verdicts."""

import statistics

CPU_RATIO = 1.5
IDLE_MIB = 15
START_MS = 100
STALL_FACTOR = 2  # a stall: nothing for more than this many pacing intervals

BUSY_LOAD = 0.3  # one-minute load average before the run

COLUMNS = ("direct", "nginx", "freeway")

# (heading or label, scenario, path of the value, how it is shown)
ROWS = [
    ("plain chat, 16 connections, proxy on one core", None),
    ("requests/s", "plain", "requests_per_s", "value"),
    ("CPU us/request", "plain", "cpu_us_per_request", "ratio"),
    ("p50 us", "plain", "latency_us.p50", "value"),
    ("p99 us", "plain", "latency_us.p99", "value"),
    ("the same, proxy and load on all cores", None),
    ("requests/s", "all_cores", "requests_per_s", "value"),
    ("CPU us/request", "all_cores", "cpu_us_per_request", "ratio"),
    ("chain whose first member is benched", None),
    ("requests/s", "chain", "requests_per_s", "value"),
    ("CPU us/request", "chain", "cpu_us_per_request", "value"),
    ("translated chat: Anthropic's Messages in, OpenAI's chat out", None),
    ("requests/s", "translated", "requests_per_s", "value"),
    ("CPU us/request", "translated", "cpu_us_per_request", "value"),
    ("events/s, streams of 200, 8 at once", "translated_stream", "events_per_s", "value"),
    ("CPU us/event", "translated_stream", "cpu_us_per_event", "value"),
    ("one connection, closed loop", None),
    ("added p50 us", "one_connection", "latency_us.p50", "added"),
    ("added p99 us", "one_connection", "latency_us.p99", "added"),
    ("500 requests/s on 4 connections", None),
    ("added p50 us", "fixed_rate", "latency_us.p50", "added"),
    ("added p99 us", "fixed_rate", "latency_us.p99", "added"),
    ("streams of 200 events, unpaced, 8 at once", None),
    ("events/s", "stream", "events_per_s", "value"),
    ("CPU us/event", "stream", "cpu_us_per_event", "ratio"),
    ("first event p50 us", "stream", "first_event_us.p50", "value"),
    ("64 streams, 50 events/s each", None),
    ("CPU us/event", "paced", "cpu_us_per_event", "ratio"),
    ("first event p50 us", "paced", "first_event_us.p50", "value"),
    ("512 streams at once, 20 events/s each", None),
    ("complete streams", "streams", "complete_streams", "value"),
    ("largest gap ms (pacing 50)", "streams", "gap_us.max", "ms"),
    ("p99 gap ms", "streams", "gap_us.p99", "ms"),
    ("CPU us/event", "streams", "cpu_us_per_event", "ratio"),
    ("resident MiB meanwhile", "streams", "resident_mib", "value"),
]


def pick(result, path):
    for key in path.split("."):
        result = result[key]
    return result


def median(scenarios, scenario, proxy, path):
    """Over the rounds; None when that was not measured. The all-cores servers share the columns."""
    runs = scenarios.get(scenario, {})
    rounds = runs.get(proxy) or runs.get(f"{proxy}_all")
    return statistics.median(pick(result, path) for result in rounds) if rounds else None


def number(value):
    if value is None:
        return "-"
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def line(label, values, ratio=None):
    cells = "".join(f"{number(value):>12}" for value in values)
    return f"  {label:<30}{cells}{f'{ratio:.2f} x' if ratio else '':>10}"


def scenario_line(scenarios, label, scenario, path, style):
    values = [median(scenarios, scenario, proxy, path) for proxy in COLUMNS]
    direct, nginx, freeway = values
    if style == "added":
        values = [None] + [None if value is None else value - direct for value in (nginx, freeway)]
    if style == "ms":
        values = [None if value is None else value / 1000 for value in values]
    if path.startswith("cpu"):
        values[0] = None  # the upstream's own, on another core
    compared = style == "ratio" and freeway and nginx
    return line(label, values, freeway / nginx if compared else None)


def memory_lines(result):
    memory, starts = result["memory"], result["starts"]
    rows = ["memory, resident MiB"]
    for label, key in (("idle, two models", "idle_mib"), ("after load", "after_load_mib")):
        rows.append(line(label, [None] + [memory.get(name, {}).get(key) for name in COLUMNS[1:]]))
    rows.append(line("idle, all aliases", [None, None, starts.get("freeway", {}).get("idle_mib")]))
    rows.append("exec to first 200, all aliases, all cores")
    for label, key in (("liveness ms", "liveness_ms"), ("chat ms", "chat_ms")):
        rows.append(line(label, [None] + [starts.get(name, {}).get(key) for name in COLUMNS[1:]]))
    return rows


def table(result):
    machine = result["machine"]
    lines = [
        f"machine: {machine['cores']} cores, {machine['cpu']}, Linux {machine['kernel']}, "
        f"commit {machine['commit']}, load before {machine['load_before']:.2f}"
        + (" (busy: the times below are noisy)" if machine["load_before"] > BUSY_LOAD else ""),
        f"cores: proxy {result['cores']['proxy']}, upstream {result['cores']['upstream']}, "
        f"load {result['cores']['load']}; medians of "
        f"{len(result['scenarios']['plain']['nginx'])} interleaved rounds",
        "threads: " + ", ".join(f"{name} {seen['threads']}"
                                for name, seen in result["memory"].items() if name != "direct"),
        f"  {'':<30}" + "".join(f"{proxy:>12}" for proxy in COLUMNS) + f"{'to nginx':>10}",
    ]
    for label, scenario, *how in ROWS:
        row = scenario_line(result["scenarios"], label, scenario, *how) if scenario else label
        lines.append(row)
    lines += memory_lines(result)
    lines += [f"failed requests: {where}" for where in failures(result)]
    for target in result["targets"]:
        lines.append(f"{target['verdict']}  {target['target']}: {target['measured']}")
    return "\n".join(lines)


def failures(result):
    """One text for every proxy and scenario with failed requests or incomplete streams."""
    found = []
    for scenario, proxies in result["scenarios"].items():
        for proxy, rounds in proxies.items():
            errors = sum(run["errors"] for run in rounds)
            if errors:
                why = next(run["first_error"] for run in rounds if run["errors"])
                found.append(f"{proxy} {scenario}: {errors} ({why})")
    return found


def verdict(target, measured, met):
    return {"target": target, "measured": measured,
            "verdict": "SKIP" if met is None else "PASS" if met else "FAIL"}


def ratio_target(scenarios, what, scenario, path):
    nginx, freeway = (median(scenarios, scenario, proxy, path) for proxy in COLUMNS[1:])
    name = f"{what} at most {CPU_RATIO} x nginx"
    if freeway is None:
        return verdict(name, f"nginx {nginx:.2f} us, freeway not measured", None)
    return verdict(name, f"{freeway:.2f} / {nginx:.2f} us = {freeway / nginx:.2f} x",
                   freeway <= CPU_RATIO * nginx)


def below_target(what, started, key, limit, unit):
    """Of what was measured at start; a start that failed misses its target."""
    name = f"{what} below {limit} {unit}"
    value, failure = started.get(key), started.get("failure")
    if value is not None:
        return verdict(name, f"{value:.1f} {unit}", value < limit)
    return verdict(name, failure or "not measured", False if failure else None)


def streams_target(scenarios):
    name = f"512 paced streams, all complete, no gap above {STALL_FACTOR} intervals"
    if "freeway" not in scenarios["streams"]:
        return verdict(name, "not measured", None)
    run = scenarios["streams"]["freeway"][0]
    gap_ms = run["gap_us"]["max"] / 1000
    met = run["complete_streams"] == run["requests"] == 512 and gap_ms <= STALL_FACTOR * 50
    return verdict(name, f"{run['complete_streams']} complete, largest gap {gap_ms:.1f} ms", met)


def targets(result):
    scenarios = result["scenarios"]
    started = result["starts"].get("freeway", {})
    failed = [text for text in failures(result) if text.startswith("freeway")]
    return [
        ratio_target(scenarios, "CPU per request", "plain", "cpu_us_per_request"),
        ratio_target(scenarios, "CPU per event, unpaced", "stream", "cpu_us_per_event"),
        ratio_target(scenarios, "CPU per event, paced", "paced", "cpu_us_per_event"),
        below_target("idle memory, all aliases,", started, "idle_mib", IDLE_MIB, "MiB"),
        below_target("start to first 200 on liveness", started, "liveness_ms", START_MS, "ms"),
        below_target("start to first 200 on a chat", started, "chat_ms", START_MS, "ms"),
        streams_target(scenarios),
        verdict("no failed request", f"{len(failed)} scenarios with failures",
                not failed if "freeway" in result["memory"] else None),
    ]
