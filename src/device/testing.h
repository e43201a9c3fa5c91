#pragma once

#include "base/clock.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

/// What the tests of this module share.
namespace device {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// An engine for tests. Notes `PID` of each start (and of its grandchild) in a file.
inline constexpr std::string_view kFakeEngine = R"py(#!/usr/bin/env python3
import argparse, os, signal, socket, subprocess, sys, time

options = argparse.ArgumentParser()
options.add_argument("--host")
options.add_argument("--port", type=int)
options.add_argument("--notes")
options.add_argument("--slow", type=float, default=0)
options.add_argument("--fail-if")
options.add_argument("--ignore-term", action="store_true")
options.add_argument("--grandchild", action="store_true")
options.add_argument("--detached-grandchild", action="store_true")
options.add_argument("--lose-port-once")
options.add_argument("--fill")
o = options.parse_args()

def note(text):
    with open(o.notes, "a") as notes:
        notes.write(text + "\n")

if o.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
note(str(os.getpid()))
print("loading", *(f"{k}=set" for k in ("TEST_API_KEY", "TEST_PLAIN") if k in os.environ), flush=True)
if o.grandchild:
    note(str(subprocess.Popen(["sleep", "600"]).pid))
if o.detached_grandchild:
    note(str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid))
if o.fail_if and os.path.exists(o.fail_if):
    print("the model is broken", file=sys.stderr)
    sys.exit(3)
if o.lose_port_once and not os.path.exists(o.lose_port_once):
    with open(o.lose_port_once + ".new", "w") as wish:
        wish.write(str(o.port))
    os.rename(o.lose_port_once + ".new", o.lose_port_once)
    while not os.path.exists(o.lose_port_once + ".taken"):
        time.sleep(0.005)
    sys.exit("address already in use")
started = time.monotonic()
server = socket.create_server((o.host, o.port))
while True:
    client, _ = server.accept()
    request = client.recv(65536)
    ready = time.monotonic() - started >= o.slow
    status = b"200 OK" if ready else b"503 Loading"
    client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    client.close()
)py";

/// Asked again and again until it holds, for at most 20 seconds.
template <class Condition>
bool eventually(Condition condition) {
    for (const base::Time end = base::Clock::now() + 20s; base::Clock::now() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// Gone, or a zombie that nobody in this test's power reaps.
inline bool dead(int pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(stat, text)) return true;
    const char state = text[text.rfind(')') + 2];
    return state == 'Z' || state == 'X';
}

inline fs::path fresh_folder() {
    std::string pattern = fs::temp_directory_path() / "freeway-device-XXXXXX";
    return ::mkdtemp(pattern.data());
}

}  // namespace device
