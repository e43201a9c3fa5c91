#pragma once

#include "base/model_facts.h"
#include "base/pulls.h"
#include "device/pull_plan.h"

#include <memory>
#include <string>

namespace device {

/// Fetches in the background what serving needs: has each Ollama service pull the models that it
/// lacks, and downloads the files of engines. One thread for the services, one for the files;
/// neither is there before something is planned. What is missing, and what the services say of
/// what is there, is shown on the boards, from which decisions are made; a service that can't be
/// asked lacks nothing.
class Puller {
public:
    struct Boards {
        base::PullBoard& pulls;
        base::FactBoard& facts;
    };
    /// The references outlive it. `data_dir` is where files go, and what tells of free space.
    Puller(std::string data_dir, const net::UpstreamSettings& settings, net::ClientTls& tls,
           Boards boards);
    ~Puller();
    Puller(const Puller&) = delete;
    Puller& operator=(const Puller&) = delete;

    /// All that is to be there from now on; a pull under way of what is still wanted goes on.
    void configure(PullPlan plan);
    /// From any thread: a request was told that the model of this target is not there.
    void look_again(std::string target);
    /// Breaks off what is under way, where a later start goes on. Returns when all threads ended.
    void shutdown();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace device
