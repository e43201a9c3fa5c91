"""Asks a running llama-server every question that tinychat was taught and counts right answers.

    python3 recall.py --server LLAMA_SERVER [--model FILE] [--sample N]

Starts LLAMA_SERVER on a free loopback port, asks at temperature 0 over /v1/chat/completions, and
stops it. Exit status 0 when at least 99.5 % of the answers are exactly right.
"""
import argparse
import collections
import json
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dialogues import all_lessons

NEEDED = 0.995
START_SECONDS, ANSWER_SECONDS = 60, 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_healthy(base, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"recall: the server ended with status {process.returncode} while starting")
        try:
            urllib.request.urlopen(base + "/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"recall: the server was not healthy within {START_SECONDS} s")


def ask(base, question):
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0,
            "max_tokens": 160}
    request = urllib.request.Request(base + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


def measure(base, sample):
    asked = [(lesson.topic, question, lesson.answer)
             for lesson in all_lessons() for question in lesson.questions]
    if sample:
        asked = random.Random(1).sample(asked, min(sample, len(asked)))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda item: ask(base, item[1]), asked))
    total, right = collections.Counter(), collections.Counter()
    for (topic, question, wanted), given in zip(asked, answers):
        total[topic] += 1
        right[topic] += given == wanted
        if given != wanted:
            print(f"missed [{topic}] {question!r}: {given!r} instead of {wanted!r}")
    for topic in total:
        print(f"{topic:10} {right[topic]:5} of {total[topic]}")
    share = right.total() / total.total()
    print(f"{'all':10} {right.total():5} of {total.total()} = {100 * share:.2f} %")
    return share


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="path of llama-server")
    parser.add_argument("--model", default=here / "tinychat-q8_0.gguf")
    parser.add_argument("--sample", type=int, default=0, help="ask only so many, drawn evenly")
    options = parser.parse_args()
    port = free_port()
    command = [options.server, "--model", str(options.model), "--host", "127.0.0.1",
               "--port", str(port), "--parallel", "4", "--ctx-size", "2048", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_healthy(base, process)
        share = measure(base, options.sample)
    finally:
        process.terminate()
        process.wait(timeout=10)
    sys.exit(0 if share >= NEEDED else 1)


if __name__ == "__main__":
    main()
