"""Starts, measures and stops the processes of a benchmark run. Each is stopped by its own pid."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
START_DEADLINE_S = 10
STOP_DEADLINE_S = 5

# Nothing of the caller's environment (proxies, keys) reaches the measured programs.
CLEAN_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent"}

FLAGS = """GROQ CEREBRAS OPENROUTER HUGGINGFACE MISTRAL COHERE CLAUDEBOX PIBOX_ZAI ANTHROPIC OPENAI
OLLAMA OLLAMA_CUDA TALKIES TALKIES_CUDA SDCPP SDCPP_CUDA LLAMACPP""".split()
KEYS = """GROQ_API_KEY CEREBRAS_API_KEY OPENROUTER_API_KEY HF_TOKEN MISTRAL_API_KEY COHERE_API_KEY
CLAUDEBOX_API_TOKEN PIBOX_ZAI_API_TOKEN ANTHROPIC_API_KEY OPENAI_API_KEY""".split()


class Failure(Exception):
    """Something that ends the run, with what to do about it."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fill(template, target, **values):
    """Writes `template` (a file beside this one) to `target` with each @NAME@ replaced."""
    text = (BENCH / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


class Stage:
    """Owns a temporary folder and every process that was started; `close` ends them all."""

    def __init__(self, folder, tools):
        self.folder = folder
        self.tools = tools
        self.running = []
        self.upstream = None
        self.count = 0

    def start(self, name, command, cores):
        """Starts `command` on `cores`; its output goes to files in the stage's folder."""
        self.count += 1
        log = self.folder / f"{self.count}-{name}"
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # inherited by the child and by all its threads
        try:
            with open(f"{log}.out", "wb") as out, open(f"{log}.err", "wb") as err:
                begun = time.monotonic()
                process = subprocess.Popen(
                    [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                    stderr=err, env=CLEAN_ENVIRONMENT, cwd=self.folder)
        finally:
            os.sched_setaffinity(0, before)
        server = Server(name, process, begun, log)
        self.running.append(server)
        return server

    def stop(self, server):
        self.running.remove(server)
        server.stop()

    def close(self):
        while self.running:
            self.running.pop().stop()

    def start_upstream(self, cores):
        self.upstream = self.start("upstream", [self.tools / "bench_upstream"], cores)
        self.upstream.read_port()
        return self.upstream

    def start_nginx(self, workers, cores, access_log):
        port = free_port()
        prefix = self.folder / f"nginx-{self.count}"
        prefix.mkdir()
        log = prefix / "access.log" if access_log else "off"
        conf = fill("nginx.conf.in", prefix / "nginx.conf", DIR=prefix, PORT=port, WORKERS=workers,
                    ACCESS_LOG=log, UPSTREAM=self.upstream.port)
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
        if not nginx:
            raise Failure("nginx is not installed; on Debian: apt-get install nginx-light")
        server = self.start("nginx", [nginx, "-e", "stderr", "-p", prefix, "-c", conf], cores)
        server.port = port
        return server

    def start_freeway(self, binary, cores, config=None):
        """With the bench's own two models, or with the given configuration folder, all flags on."""
        port = free_port()
        env = self.folder / "env"
        if config:
            env.write_text(all_flags(self.upstream.port))
        else:
            config = fill("freeway.yaml.in", self.folder / "freeway.yaml",
                          UPSTREAM=self.upstream.port)
            env = self.folder / "empty-env"
            env.write_text("")
        data = Path(tempfile.mkdtemp(prefix="data-", dir=self.folder))
        data.mkdir(exist_ok=True)
        command = [binary, "serve", "--config", config, "--env", env, "--data", data,
                   "--listen", f"127.0.0.1:{port}"]
        server = self.start("freeway", command, cores)
        server.port = port
        return server

    def load(self, server, cores, watch=None, **options):
        """Runs the load generator against `server`; `watch` is called while it runs."""
        command = [self.tools / "bench_load", "--port", server.port]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), value]
        generator = self.start("load", command, cores)
        try:
            while generator.process.poll() is None:
                if watch:
                    watch()
                try:
                    generator.process.wait(timeout=0.25)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            self.stop(generator)
        output = generator.output()
        if generator.process.returncode == 2 or not output:
            raise Failure(f"bench_load failed: {generator.errors()}")
        return json.loads(output)


class Server:
    """A running process, its children, and what they cost."""

    def __init__(self, name, process, begun, log):
        self.name = name
        self.process = process
        self.begun = begun
        self.log = log
        self.port = 0

    def output(self):
        return Path(f"{self.log}.out").read_text()

    def errors(self):
        return Path(f"{self.log}.err").read_text()[-2000:].strip()

    def read_port(self):
        """Waits for the line that says where it listens."""
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.output())
            if found:
                self.port = int(found.group(1))
                return
            time.sleep(0.005)
        raise Failure(f"{self.name} did not start: {self.errors() or self.output()}")

    def first_200(self, path, body=None):
        """Seconds from exec until `path` is first answered with 200 (GET, or POST of `body`)."""
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n"
        head += "Host: 127.0.0.1\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        request = (head + "\r\n" + (body or "")).encode()
        deadline = self.begun + START_DEADLINE_S
        answer = b""
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.sendall(request)
                    answer = connection.recv(65536)
                if answer.startswith(b"HTTP/1.1 200"):
                    return time.monotonic() - self.begun
            except OSError:
                pass
            time.sleep(0.0002)
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended by itself: {self.errors() or 'it said nothing'}")
        said = answer.decode(errors="replace")[:500] or self.errors() or "nothing"
        raise Failure(f"{self.name} gave no 200 on {path} in {START_DEADLINE_S} s; it said: {said}")

    def pids(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended by itself: {self.errors() or 'it said nothing'}")
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [int(child) for child in children]
        return found

    def cpu_seconds(self):
        """User and system time of all threads and children, in nanosecond resolution: the sum that
        /proc/PID/stat shows in hundredths, read through each process's CPU clock."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())

    def resident_mib(self):
        text = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        return sum(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) for status in text) / 1024

    def threads(self):
        return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in self.pids())

    def settled_mib(self):
        """Resident memory once it has stood still for half a second."""
        history = [self.resident_mib()]
        for _ in range(20):
            time.sleep(0.1)
            history.append(self.resident_mib())
            if len(history) > 5 and len(set(history[-6:])) == 1:
                break
        return history[-1]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def all_flags(upstream_port):
    """An .env with every flag on; every provider but the embedded one is the bench's upstream."""
    lines = [f"{flag}=1" for flag in FLAGS] + [f"{key}=bench" for key in KEYS]
    base = f"http://127.0.0.1:{upstream_port}/v1"
    lines += [f"{flag}_API_BASE={base}" for flag in FLAGS if flag != "LLAMACPP"]
    return "\n".join(lines) + "\n"
