#include "gateway/box_client.h"

#include "gateway/agent_box.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(BoxRuns, WorkspacesAreToldByNameOrByPath) {
    const BoxRuns runs = BoxRuns::read(
        R"({"busyWorkspaces":["/workspaces/site","other"],"runs":[{"runId":"r1","workspace":"/workspaces/site","status":"running"}]})");
    EXPECT_TRUE(runs.busy("site"));
    EXPECT_TRUE(runs.busy("other"));
    EXPECT_FALSE(runs.busy("ite"));
    EXPECT_FALSE(runs.busy("site2"));
    EXPECT_EQ(runs.run_in("site"), "r1");
    EXPECT_EQ(runs.run_in("other"), "");
}

TEST(BoxRuns, AnotherFoldersWorkspaceOfThatNameIsNotIt) {
    const BoxRuns runs = BoxRuns::read(
        R"({"busyWorkspaces":["team/site"],"runs":[{"runId":"r1","workspace":"/workspaces/team/site"}]})");
    EXPECT_FALSE(runs.busy("site"));
    EXPECT_EQ(runs.run_in("site"), "");
    EXPECT_EQ(runs.run_in("team/site"), "r1");
}

TEST(BoxRuns, RunsThatAreOverDoNotCount) {
    const BoxRuns runs = BoxRuns::read(
        R"({"runs":[{"runId":"old","workspace":"site","status":"completed"},{"runId":"new","workspace":"site","status":"running"}]})");
    EXPECT_EQ(runs.run_in("site"), "new");
}

TEST(BoxRuns, WhatIsNoStatusSaysNothing) {
    for (const char* text : {"", "[]", R"({"busyWorkspaces":null})", "not JSON"})
        EXPECT_FALSE(BoxRuns::read(text).busy("site")) << text;
}

TEST(Workspaces, AreRelativePaths) {
    for (const char* name : {"site", "team/site", "a b", "..a", "grüße"})
        EXPECT_EQ(unfit_workspace(name), "") << name;
    for (const char* name : {"/etc", "../x", "a/../b", "a/", "a//b", ".", "a\\b", "a\tb"})
        EXPECT_NE(unfit_workspace(name), "") << name;
    EXPECT_NE(unfit_workspace(std::string(201, 'x')), "");
}

TEST(Workspaces, AreEncodedInPaths) {
    EXPECT_EQ(url_path("team/my site?#"), "team/my%20site%3F%23");
    EXPECT_EQ(url_path("a%2e"), "a%252e");
}

}  // namespace
}  // namespace gateway
