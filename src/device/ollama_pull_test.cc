#include "device/ollama_pull.h"

#include "device/disk_room.h"
#include "device/pull_plan.h"
#include "device/rate_meter.h"

#include <gtest/gtest.h>

#include <filesystem>

using namespace device;
using namespace std::chrono_literals;
using base::ErrorKind;

TEST(OllamaName, ATagIsNeverLeftOut) {
    EXPECT_EQ(ollama_name("phi4-mini"), "phi4-mini:latest");
    EXPECT_EQ(ollama_name("qwen3:8b"), "qwen3:8b");
    EXPECT_EQ(ollama_name("iodose/nuextract-v1.5"), "iodose/nuextract-v1.5:latest");
    EXPECT_EQ(ollama_name("registry:5000/a/b"), "registry:5000/a/b:latest");
}

TEST(PullReport, AddsUpTheLayersThatItHasHeardOf) {
    PullReport report;
    EXPECT_FALSE(report.progress().total);
    ASSERT_TRUE(report.line(R"({"status":"pulling manifest"})"));
    ASSERT_TRUE(report.line(R"({"status":"pulling a","digest":"sha256:a","total":1000})"));
    ASSERT_TRUE(
        report.line(R"({"status":"pulling a","digest":"sha256:a","total":1000,"completed":400})"));
    ASSERT_TRUE(
        report.line(R"({"status":"pulling b","digest":"sha256:b","total":50,"completed":50})"));
    EXPECT_EQ(report.progress().done, 450u);
    EXPECT_EQ(report.progress().total, 1050u);
    EXPECT_FALSE(report.finished());
    ASSERT_TRUE(report.line(R"({"status":"success"})"));
    EXPECT_TRUE(report.finished());
}

TEST(PullReport, TellsAModelThatDoesNotExistFromATryThatFailed) {
    const auto kind = [](std::string_view line) { return PullReport().line(line).error().kind; };
    EXPECT_EQ(kind(R"({"error":"pull model manifest: file does not exist"})"),
              ErrorKind::not_found);
    EXPECT_EQ(kind(R"({"error":"max retries exceeded: unexpected EOF"})"), ErrorKind::refused);
    EXPECT_EQ(kind("not json"), ErrorKind::protocol);
    EXPECT_EQ(kind("[1]"), ErrorKind::protocol);
}

TEST(PullReport, NumbersThatAreNoneAreNothing) {
    PullReport report;
    ASSERT_TRUE(report.line(R"({"status":"x","digest":"d","total":-5,"completed":"many"})"));
    EXPECT_FALSE(report.progress().total);
    ASSERT_TRUE(report.line(R"({"status":"x","digest":"d","total":5,"completed":99})"));
    EXPECT_EQ(report.progress().done, 5u);
}

TEST(RateMeter, WhatWasThereBeforeDoesNotCount) {
    const base::Time begin{1000h};
    RateMeter meter;
    EXPECT_EQ(meter.per_second(), 0);
    meter.add(0, begin);
    meter.add(4'000'000'000, begin + 1s);  // resumed
    EXPECT_EQ(meter.per_second(), 0);
    meter.add(4'010'000'000, begin + 2s);
    meter.add(4'030'000'000, begin + 4s);
    EXPECT_NEAR(meter.per_second(), 1e7, 1);
}

TEST(RateMeter, TheLastMomentsCountAndSilenceSlowsItDown) {
    const base::Time begin{1000h};
    RateMeter meter;
    for (int i = 0; i <= 600; ++i)
        meter.add(1 + static_cast<std::uint64_t>(i) * 1000, begin + i * 100ms);
    EXPECT_NEAR(meter.per_second(), 10'000, 500);
    for (int i = 0; i < 200; ++i) meter.add(600'001, begin + 60s + i * 100ms);
    EXPECT_LT(meter.per_second(), 100);
}

TEST(DiskRoom, SaysWhatIsNeededAndWhatIsThere) {
    const std::string here = std::filesystem::temp_directory_path();
    EXPECT_TRUE(disk_room(here + "/no/such/folder/yet", "a model", 1));
    const auto room = disk_room(here, "qwen3:8b", 1'000'000'000'000'000'000);
    ASSERT_FALSE(room);
    EXPECT_EQ(room.error().kind, ErrorKind::io);
    EXPECT_TRUE(room.error().detail.starts_with(
        "not enough disk space for qwen3:8b: 1000000000000 MB are needed, "))
        << room.error().detail;
}

namespace {

config::Target local(const std::string& id, const std::string& model, std::uint16_t port) {
    config::Target target;
    target.id = id;
    target.alias = id.substr(0, id.find('#'));
    target.provider = base::Provider::ollama;
    target.model = model;
    target.base = {.host = "127.0.0.1", .port = port, .path = ""};
    return target;
}

}  // namespace

TEST(PullPlan, EachServiceHasItsModelsOnce) {
    config::Catalog catalog;
    catalog.targets = {local("a", "phi4-mini", 1), local("b", "phi4-mini:latest", 1),
                       local("a#2", "phi4-mini", 2), local("any", "*", 1)};
    catalog.targets.push_back(local("left-out", "qwen3:8b", 1));
    catalog.targets.back().left_out = "X is not set";
    catalog.targets.push_back(local("cloud", "gpt-oss:120b", 1));
    catalog.targets.back().base.host = "ollama.com";
    const auto plan = pull_plan(catalog, config::Environment::of({}), "data");
    ASSERT_EQ(plan.services.size(), 2u);
    EXPECT_EQ(plan.services[0].url, "http://127.0.0.1:1");
    EXPECT_EQ(plan.services[0].models,
              (std::vector<PullPlan::Model>{{"phi4-mini:latest", {"a", "b"}}}));
    EXPECT_EQ(plan.services[1].models,
              (std::vector<PullPlan::Model>{{"phi4-mini:latest", {"a#2"}}}));
    EXPECT_EQ(pull_plan(catalog, config::Environment::of({}), "data", "b").services.size(), 1u);
    EXPECT_TRUE(pull_plan(catalog, config::Environment::of({}), "data", "nobody").empty());
}

TEST(PullPlan, FilesOfEnginesHaveTheirPlaceAndTheirChecksum) {
    config::Catalog catalog;
    config::Target target;
    target.id = target.alias = "custom";
    target.engine.emplace();
    target.engine->command = {"llama-server", "--model", "https://h.example/a/m.gguf?x=1"};
    catalog.targets = {target};
    const auto plan =
        pull_plan(catalog,
                  config::Environment::of({{"LLAMACPP_MODEL", "https://h.example/a/m.gguf?x=1"},
                                           {"LLAMACPP_MODEL_SHA256", "abc"}}),
                  "data");
    ASSERT_EQ(plan.files.size(), 1u);
    EXPECT_TRUE(locate(plan.files[0].what).path.ends_with("data/models/m.gguf"));
    EXPECT_EQ(plan.files[0].what.sha256, "abc");
    EXPECT_EQ(plan.files[0].targets, (std::vector<std::string>{"custom"}));
}

TEST(PullPlan, FilesAreToldApartByTheirUrlAndNotByTheirName) {
    config::Catalog catalog;
    for (const char* url : {"https://h/one/m.gguf", "https://h/two/m.gguf",
                            "https://h/one/m.gguf#sha256=00", "https://h/three/n.gguf"}) {
        config::Target target;
        target.id = target.alias = "t" + std::to_string(catalog.targets.size());
        target.engine.emplace();
        target.engine->command = {"llama-server", "--model", url};
        catalog.targets.push_back(target);
    }
    const auto files = pull_plan(catalog, config::Environment::of({}), "data").files;
    ASSERT_EQ(files.size(), 3u);
    EXPECT_EQ(files[0].targets, (std::vector<std::string>{"t0", "t2"}));
    EXPECT_EQ(files[0].what.sha256, "00");
    EXPECT_EQ(files[1].targets, (std::vector<std::string>{"t1"}));
    EXPECT_NE(locate(files[0].what).path, locate(files[1].what).path);
    EXPECT_TRUE(locate(files[2].what).path.ends_with("data/models/n.gguf"));
    const auto one = pull_plan(catalog, config::Environment::of({}), "data", "t1").files;
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0].what, files[1].what) << "who asks for one alias means the same file";
}
