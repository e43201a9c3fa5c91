#include "gateway/response_store.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(ResponseStore, KeepsFindsAndForgets) {
    ResponseStore store;
    EXPECT_FALSE(store.find("a"));
    store.keep("a", {"{}", "items"});
    ASSERT_TRUE(store.find("a"));
    EXPECT_EQ(store.find("a")->items, "items");
    store.keep("a", {"{}", "others"});
    EXPECT_EQ(store.find("a")->items, "others");
    EXPECT_TRUE(store.remove("a"));
    EXPECT_FALSE(store.remove("a"));
}

TEST(ResponseStore, TheOldestGoFirst) {
    ResponseStore store({.entries = 2, .bytes = 100});
    for (const char* id : {"a", "b", "c"}) store.keep(id, {"{}", ""});
    EXPECT_FALSE(store.find("a"));
    EXPECT_TRUE(store.find("b"));
    store.keep("d", {std::string(98, 'x'), ""});
    EXPECT_FALSE(store.find("b"));
    EXPECT_FALSE(store.find("c"));
    EXPECT_TRUE(store.find("d"));
}

TEST(ResponseStore, WhatIsLargerThanAllIsNotKept) {
    ResponseStore store({.entries = 2, .bytes = 100});
    store.keep("a", {"{}", ""});
    store.keep("b", {std::string(101, 'x'), ""});
    EXPECT_TRUE(store.find("a"));
    EXPECT_FALSE(store.find("b"));
}

}  // namespace
}  // namespace gateway
