#include "device/process_tree.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace device {
namespace {

namespace fs = std::filesystem;

/// The parent of every process of this machine that can be seen.
std::map<int, int> parents() {
    std::map<int, int> found;
    std::error_code error;
    for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(at->path() / "stat");
        std::string line;
        std::getline(file, line);
        const std::size_t behind = line.rfind(')');  // a program's name may hold anything
        if (behind == std::string::npos) continue;
        char state = 0;
        int parent = 0;
        if (std::sscanf(line.c_str() + behind + 1, " %c %d", &state, &parent) == 2 && state != 'Z')
            found[std::stoi(name)] = parent;
    }
    return found;
}

}  // namespace

std::vector<int> descendants_of(int root) {
    const auto known = parents();
    std::vector<int> found{root};
    for (std::size_t i = 0; i < found.size(); ++i)
        for (const auto& [pid, parent] : known)
            if (parent == found[i]) found.push_back(pid);
    found.erase(found.begin());
    return found;
}

}  // namespace device
