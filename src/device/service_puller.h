#pragma once

#include "base/model_facts.h"
#include "base/pulls.h"
#include "device/pull_plan.h"
#include "device/rate_meter.h"
#include "net/worker.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace device {

/// What the pullers of one thread share; outlives them.
struct PullShop {
    net::Worker& worker;
    net::UpstreamClient& client;
    const std::string& data_dir;
    std::set<std::string> under_way{};  ///< models that some service pulls at this moment
    std::function<void()> changed{};    ///< some puller's list()
    std::function<void()> learned{};    ///< some puller's facts()
};

/// Sees to it that one Ollama service has its models: asks which it has, has it fetch the others
/// one after the other, tries again after failures. Of each that is there it asks once what the
/// model can do. A service that is down is asked again with growing pauses and said in the log
/// once. Two services never fetch the same model at a time: they may share a disk, and then the
/// second finds it there. Lives on the puller's thread.
class ServicePuller {
public:
    ServicePuller(PullShop& shop, PullPlan::Service plan);

    /// The models from now on; the service is the same.
    void configure(const std::vector<PullPlan::Model>& models);
    /// A request was told that a model is not there.
    void look_again();
    /// Ends run() soon; what a pull has fetched stays with the service.
    void retire();
    void list(std::vector<base::Pull>& out) const;
    /// Adds what the service said of its models.
    void facts(base::FactTable& out) const;
    const PullPlan::Service& plan() const { return plan_; }

    /// Runs until retired, and keeps its puller alive so long.
    static net::Task<> run(std::shared_ptr<ServicePuller> self);

private:
    struct Entry {
        base::Pull pull;
        bool missing = false;  ///< the service said so
        bool fresh = false;    ///< it was pulled, and has not been listed since
        int tries = 0;         ///< that failed, since it began
        bool asked = false;    ///< what it can do, since it is there
        std::optional<base::ModelFacts> facts{};
        std::vector<PullPlan::Claim> claims{};
    };
    base::Time note_models(const std::set<std::string>& there);
    base::Time note_silence(const base::Error& error);
    Entry* next_due();
    net::Task<> learn();
    void tell_differences(const Entry& entry) const;
    net::Task<> rest(base::Time until);
    net::Task<> pull(std::string model);
    base::Result<void> note_progress(const std::string& model, FetchProgress progress);
    void note_end(const std::string& model, const base::Result<void>& result);
    Entry* find(const std::string& model);
    void log_progress(const Entry& entry, const std::string& message) const;

    PullShop& shop_;
    PullPlan::Service plan_;
    std::vector<Entry> entries_;
    net::AbortHandle abort_;
    net::Timer timer_;
    RateMeter meter_;
    base::Time shown_{};
    int shown_tenths_ = 0;
    bool again_ = false;
    bool silent_ = false;  ///< its silence has been logged
    int silences_ = 0;
};

}  // namespace device
