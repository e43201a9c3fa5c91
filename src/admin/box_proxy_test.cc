#include "admin/box_proxy.h"

#include <gtest/gtest.h>

namespace admin {
namespace {

TEST(BoxProxy, ItsRoutes) {
    EXPECT_EQ(box_path("/claudebox/files/a")->rest, "/files/a");
    EXPECT_EQ(box_path("/claudebox")->rest, "");
    EXPECT_EQ(box_path("/pibox-zai/run")->agent, config::AgentKind::pibox);
    EXPECT_FALSE(box_path("/claudeboxes/files"));
    EXPECT_FALSE(box_path("/v1/claudebox/files"));
    EXPECT_FALSE(box_path("/"));
}

TEST(BoxProxy, PathsThatStayBelow) {
    for (const char* path : {"", "/", "/files", "/files/", "/files/a%20b/c.txt", "/files/..a",
                             "/files/100%25", "/mcp/"})
        EXPECT_TRUE(stays_below(path)) << path;
    for (const char* path : {"/..", "/files/../status", "/files/%2e%2e/x", "/files/.%2E/x",
                             "/files/%252e%252e/x", "/files//x", "//evil", "/files/a%2fb",
                             "/files/a%5cb", "/files/./x", "/files/%00", "/files/%25252525252e/x"})
        EXPECT_FALSE(stays_below(path)) << path;
}

}  // namespace
}  // namespace admin
