#pragma once

#include "device/scheduler.h"

#include <string>
#include <utility>
#include <vector>

/// What the scheduler's stories share.
namespace device {

using namespace std::chrono_literals;

inline constexpr std::uint64_t kGb = 1'000'000'000;

inline Terms gigabytes(std::uint64_t budget) { return {.budget = budget * kGb}; }

/// One device, its engine "e" unless a test says otherwise, and what the scheduler does.
struct Story {
    Scheduler scheduler{gigabytes(10)};
    base::Time now = base::Time(1'000s);
    std::string refusal;
    base::ErrorKind refusal_kind{};

    std::string actions() {
        using Kind = Scheduler::Action::Kind;
        std::string text;
        for (const Scheduler::Action& action : scheduler.take_actions()) {
            if (!text.empty()) text += ' ';
            const std::string ticket = std::to_string(action.ticket);
            if (action.kind == Kind::grant) text += (action.cold ? "load:" : "grant:") + ticket;
            if (action.kind == Kind::evict) text += "evict:" + action.key.model;
            if (action.kind == Kind::refuse) {
                text += "refuse:" + ticket;
                refusal = action.error.detail;
                refusal_kind = action.error.kind;
            }
        }
        return text;
    }
    std::string ask(Scheduler::Ticket ticket, std::string model, std::uint64_t gigabytes,
                    Priority priority = Priority::chat) {
        return ask(ticket, Need{{"e", std::move(model)}, gigabytes * kGb, 0, priority});
    }
    std::string ask(Scheduler::Ticket ticket, Need need) {
        scheduler.ask(ticket, std::move(need), now);
        return actions();
    }
    std::string withdraw(Scheduler::Ticket ticket) {
        scheduler.withdraw(ticket, now);
        return actions();
    }
    std::string loaded(Scheduler::Ticket ticket, std::optional<base::Duration> took = {}) {
        scheduler.loaded(ticket, took, now);
        return actions();
    }
    std::string release(Scheduler::Ticket ticket, bool failed = false) {
        scheduler.release(ticket, failed, now);
        return actions();
    }
    std::string lists(std::vector<Resident> residents, std::string engine = "e") {
        scheduler.observed(engine, std::move(residents), now);
        return actions();
    }
    std::string evicted(std::string model) {
        scheduler.evicted({"e", std::move(model)}, now);
        return actions();
    }
    std::string still_there(std::string model) {
        scheduler.eviction_failed({"e", std::move(model)}, "it did not go", now);
        return actions();
    }
    std::string lost(const std::string& engine, std::optional<std::uint64_t> gigabytes = {}) {
        std::optional<std::uint64_t> bytes;
        if (gigabytes) bytes = *gigabytes * kGb;
        scheduler.lost(engine, bytes, now);
        return actions();
    }
    std::string others(std::uint64_t gigabytes) {
        scheduler.others(gigabytes * kGb, now);
        return actions();
    }
    std::string configure(Terms terms) {
        scheduler.configure(terms, now);
        return actions();
    }
    std::string after(base::Duration time) {
        now += time;
        scheduler.tick(now);
        return actions();
    }
    std::uint64_t used() const { return scheduler.view(now).used / kGb; }
    std::uint64_t idle_models() const {
        std::uint64_t idle = 0;
        for (const auto& model : scheduler.view(now).models) idle += model.leases == 0;
        return idle;
    }
};

}  // namespace device
