#include "device/model_file.h"

#include "device/engine_files.h"
#include "device/partial_file.h"
#include "device/source_note.h"
#include "device/testing.h"

#include <gtest/gtest.h>

namespace device {
namespace {

const std::string kOne = "https://host/one/m.gguf";
const std::string kTwo = "https://host/two/m.gguf?token=secret";

class ModelFileTest : public testing::Test {
protected:
    ~ModelFileTest() override { fs::remove_all(folder_); }

    ModelFile file(const std::string& url, bool shared = false) const {
        ModelFile made = model_file(folder_, url);
        made.shared = shared;
        return made;
    }
    std::string put(const fs::path& name, const std::string& bytes) const {
        fs::create_directories(folder_ / "models");
        std::ofstream(folder_ / "models" / name) << bytes;
        return folder_ / "models" / name;
    }
    /// As pull_file() leaves it.
    std::string fetched(const std::string& url, const std::string& sha256 = "") const {
        const std::string path = put("m.gguf", "bytes of " + url);
        write_note(path, url, sha256);
        return path;
    }
    static std::string name(const Place& place) { return fs::path(place.path).filename(); }

    const fs::path folder_ = fresh_folder();
};

TEST_F(ModelFileTest, IsNamedAfterTheLastSegment) {
    EXPECT_EQ(locate(model_file("/data", kOne + "?download=true")).path, "/data/models/m.gguf");
    EXPECT_EQ(locate(model_file("/data", kOne + "#sha256=00", "sdcpp/models")).path,
              "/data/sdcpp/models/m.gguf");
    EXPECT_FALSE(locate(file(kOne)).there);
}

TEST_F(ModelFileTest, ThoseThatShareANameHaveNamesThatDependOnTheUrlAlone) {
    const std::string one = name(locate(file(kOne, true)));
    const std::string two = name(locate(file(kTwo, true)));
    EXPECT_EQ(one, "m-" + text_sha256(kOne).substr(0, 8) + ".gguf");
    EXPECT_NE(one, two);
    EXPECT_EQ(name(locate(file(kOne + "#sha256=00", true))), one);
    put(two, "b");
    EXPECT_TRUE(locate(file(kTwo, true)).there);
    EXPECT_TRUE(locate(file(kTwo)).there) << "also when nobody shares the name any more";
    EXPECT_FALSE(locate(file(kOne, true)).there);
}

TEST_F(ModelFileTest, WhatWasPutThereByHandIsTheUrlsUnlessSeveralCouldBeMeant) {
    put("m.gguf", "by hand");
    for (const std::string& url : {kOne, kTwo, kOne + "#sha256=" + text_sha256("else")}) {
        const Place place = locate(file(url));
        EXPECT_TRUE(place.there) << url;
        EXPECT_FALSE(place.known) << url;
        EXPECT_FALSE(locate(file(url, true)).there) << url;
    }
}

TEST_F(ModelFileTest, WhatWasFetchedIsItsUrlsOnly) {
    const std::string path = fetched(kOne);
    EXPECT_TRUE(locate(file(kOne)).known);
    EXPECT_EQ(locate(file(kOne, true)).path, path) << "it is not fetched anew for a newcomer";
    EXPECT_FALSE(locate(file(kTwo)).there);
    EXPECT_EQ(locate(file(kTwo)).path, path) << "nobody else wants what is there";
    EXPECT_NE(locate(file(kTwo, true)).path, path);
    EXPECT_TRUE(is_taken(file(kTwo)));
    EXPECT_FALSE(is_taken(file(kOne)));
    EXPECT_FALSE(locate(file("https://host/one/m.gguf?v=2")).there) << "a query counts";
}

TEST_F(ModelFileTest, WhatWasWrittenOverCountsAsPutThereByHand) {
    fetched(kOne);
    put("m.gguf", "something else, by hand");
    EXPECT_TRUE(locate(file(kTwo)).there);
    EXPECT_FALSE(locate(file(kOne)).known);
}

TEST_F(ModelFileTest, AStatedChecksumDecidesWhateverTheUrl) {
    const std::string right = "#sha256=" + text_sha256("right");
    fetched(kOne, text_sha256("right"));
    EXPECT_TRUE(locate(file(kTwo + right)).known);
    EXPECT_FALSE(locate(file(kOne + "#sha256=" + text_sha256("wrong"))).there);
    EXPECT_TRUE(locate(file(kOne)).known);
    fetched(kOne);
    EXPECT_FALSE(locate(file(kOne + right)).known) << "it is looked at first";
    EXPECT_TRUE(locate(file(kOne + right)).there);
}

TEST_F(ModelFileTest, ANoteHoldsNoQuery) {
    fetched(kTwo);
    std::ifstream note(folder_ / "models/.m.gguf.source");
    const std::string text{std::istreambuf_iterator<char>(note), {}};
    EXPECT_TRUE(text.starts_with("https://host/two/m.gguf\n")) << text;
    EXPECT_FALSE(text.contains("secret")) << text;
}

TEST_F(ModelFileTest, TheChecksumTellsWhoseAFileIsThatSeveralCouldMean) {
    const std::string path = put("m.gguf", "right");
    const auto pulled = pull_file(file(kOne + "#sha256=" + text_sha256("right"), true), nullptr);
    ASSERT_TRUE(pulled) << pulled.error().detail;
    EXPECT_EQ(*pulled, path);
    EXPECT_FALSE(locate(file(kTwo, true)).there);
}

TEST_F(ModelFileTest, AUrlThatNamesNoFileIsRefused) {
    for (const char* url : {"https://host/..", "https://host/.#x"})
        EXPECT_EQ(pull_file(file(url), nullptr).error().kind, base::ErrorKind::bad_input) << url;
}

config::Target target(const std::string& id, std::vector<std::string> command) {
    config::Target made;
    made.id = id;
    made.engine.emplace().command = std::move(command);
    return made;
}

TEST(EngineFiles, OnlyNamesOfDifferentUrlsAreShared) {
    config::Catalog catalog;
    catalog.targets = {target("a", {"x", kOne, "https://host/other.gguf"}),
                       target("b", {"x", kTwo}),
                       target("c", {"x", "https://host/other.gguf#sha256=00"})};
    catalog.targets[2].left_out = "X is not set";
    const EngineFiles files(catalog, config::Environment::of({}));
    using Words = std::vector<std::string>;
    EXPECT_EQ(files.sharing(*catalog.targets[0].engine), Words{kOne});
    EXPECT_EQ(files.sharing(*catalog.targets[1].engine), Words{kTwo});
    EXPECT_EQ(files.sharing(*catalog.targets[2].engine), Words{});
    catalog.targets[1].engine->models = "elsewhere";
    EXPECT_EQ(EngineFiles(catalog, config::Environment::of({})).sharing(*catalog.targets[0].engine),
              Words{});
}

TEST(EngineFiles, TheVariableStatesTheChecksumOfItsModel) {
    config::Catalog catalog;
    catalog.targets = {target("a", {"x", kOne, kTwo})};
    const EngineFiles files(catalog, config::Environment::of({{"LLAMACPP_MODEL", kOne},
                                                              {"LLAMACPP_MODEL_SHA256", "ABC"}}));
    EXPECT_EQ(files.command(*catalog.targets[0].engine),
              (std::vector<std::string>{"x", kOne + "#sha256=ABC", kTwo}));
}

}  // namespace
}  // namespace device
