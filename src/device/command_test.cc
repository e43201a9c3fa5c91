#include "device/command.h"

#include "device/model_file.h"
#include "device/source_note.h"
#include "device/testing.h"

#include <gtest/gtest.h>

namespace device {
namespace {

using Words = std::vector<std::string>;

TEST(Listening, AppendsWhatMostEnginesCallTheirAddress) {
    EXPECT_EQ(listening({"llama-server", "--jinja"}, 4001),
              (Words{"llama-server", "--jinja", "--host", "127.0.0.1", "--port", "4001"}));
}

TEST(Listening, FillsTheAddressInWhereTheCommandWantsIt) {
    EXPECT_EQ(listening({"sd-server", "--listen-ip", "{host}", "--listen-port={port}"}, 4001),
              (Words{"sd-server", "--listen-ip", "127.0.0.1", "--listen-port=4001"}));
    EXPECT_EQ(listening({"server", "{host}:{port}"}, 4001), (Words{"server", "127.0.0.1:4001"}));
}

class CommandTest : public testing::Test {
protected:
    ~CommandTest() override { fs::remove_all(folder_); }

    void program(const fs::path& name) const {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name) << "#!/bin/sh\n";
        fs::permissions(folder_ / name, fs::perms::owner_all);
    }
    base::Result<Words> resolve(Words command, Words sharing = {}) const {
        EngineSpec spec;
        spec.sharing = std::move(sharing);
        spec.command = std::move(command);
        spec.models = "sdcpp/models";
        return resolve_command(spec, {folder_ / "data", {folder_}});
    }
    const fs::path folder_ = fresh_folder();
};

TEST_F(CommandTest, SeveralFilesByUrlAreThoseThatWereFetched) {
    program("engine");
    fs::create_directories(folder_ / "data/sdcpp/models");
    std::ofstream(folder_ / "data/sdcpp/models/a.gguf") << "a";
    const Words command{"./engine", "--model", "https://host/a.gguf#sha256=00", "--vae",
                        "https://host/b.safetensors"};
    EXPECT_EQ(resolve(command).error().detail, "b.safetensors is not here yet: run `freeway pull`");
    std::ofstream(folder_ / "data/sdcpp/models/b.safetensors") << "b";
    const auto resolved = resolve(command);
    ASSERT_TRUE(resolved) << resolved.error().detail;
    EXPECT_EQ((*resolved)[2], folder_ / "data/sdcpp/models/a.gguf");
    EXPECT_EQ((*resolved)[4], folder_ / "data/sdcpp/models/b.safetensors");
}

TEST_F(CommandTest, AFileOfAnotherUrlIsNotTaken) {
    program("engine");
    const fs::path models = folder_ / "data/sdcpp/models";
    fs::create_directories(models);
    std::ofstream(models / "a.gguf") << "one";
    const std::string one = "https://host/one/a.gguf";
    const std::string two = "https://host/two/a.gguf";
    EXPECT_TRUE(resolve({"./engine", two})) << "put there by hand";
    EXPECT_FALSE(resolve({"./engine", two}, {two})) << "it could be anybody's";
    write_note(models / "a.gguf", one, "");
    EXPECT_EQ(resolve({"./engine", one}, {one})->back(), models / "a.gguf");
    EXPECT_EQ(resolve({"./engine", two}).error().detail,
              "a.gguf is here, but not the one of this URL and checksum: run `freeway pull`");
    ModelFile file = model_file(folder_ / "data", two, "sdcpp/models");
    file.shared = true;
    std::ofstream(locate(file).path) << "two";
    EXPECT_EQ(resolve({"./engine", two}, {two})->back(), locate(file).path);
}

TEST_F(CommandTest, KnownEnginesAreLookedForUnderTheDataFolder) {
    ::setenv("SD_SERVER", "/nowhere/sd-server", 1);
    EXPECT_EQ(resolve({"sd-server"}).error().detail,
              "SD_SERVER is no program: correct it or unset it");
    ::unsetenv("SD_SERVER");
    EXPECT_TRUE(resolve({"sd-server"}).error().detail.contains("set SD_SERVER"));
    program("data/engines/sdcpp/sd-server");
    EXPECT_EQ(resolve({"sd-server"})->front(), folder_ / "data/engines/sdcpp/sd-server");
}

}  // namespace
}  // namespace device
