#include "config/test_files.h"

#include <gtest/gtest.h>
#include <cstdlib>

namespace config {
namespace {

Environment read(std::string_view text) {
    TestFiles files;
    return Environment::read(files.write(".env", text));
}

TEST(Environment, SplitsAtTheFirstEqualsAndTrims) {
    Environment env = read("  FW_T_A = b=c  \r\n");
    EXPECT_EQ(env.get("FW_T_A"), "b=c");
    EXPECT_EQ(env.line("FW_T_A"), 1);
}

TEST(Environment, SkipsEmptyLinesAndComments) {
    Environment env = read("\n# FW_T_A=1\n\nFW_T_B=2\n");
    EXPECT_EQ(env.get("FW_T_A"), "");
    EXPECT_EQ(env.line("FW_T_B"), 4);
    EXPECT_TRUE(env.problems.empty());
}

TEST(Environment, TheLastOfTwoLinesCountsAndIsWarnedOf) {
    Environment env = read("FW_T_A=1\nFW_T_B=1\n#FW_T_B=2\nexport=1\nFW_T_A=0\n");
    EXPECT_EQ(env.get("FW_T_A"), "0");
    EXPECT_EQ(env.line("FW_T_A"), 5);
    ASSERT_EQ(env.problems.size(), 1u);
    EXPECT_EQ(env.problems[0].severity, Severity::warning);
    EXPECT_EQ(env.problems[0].line, 5);
    EXPECT_EQ(env.problems[0].text,
              "`FW_T_A` is set in line 1 already: this line counts, delete one of them");
}

TEST(Environment, CutsAnUnquotedValueAtTheFirstHash) {
    Environment env = read("FW_T_A=abc#def\nFW_T_B=x  # why\nFW_T_C=#kept\n");
    EXPECT_EQ(env.get("FW_T_A"), "abc");
    EXPECT_EQ(env.get("FW_T_B"), "x");
    EXPECT_EQ(env.get("FW_T_C"), "#kept");
}

TEST(Environment, StripsMatchingQuotesAndNothingInside) {
    Environment env = read("FW_T_A=\"a # b\\n\"\nFW_T_B=' x '\nFW_T_C=\"open\n");
    EXPECT_EQ(env.get("FW_T_A"), "a # b\\n");
    EXPECT_EQ(env.get("FW_T_B"), " x ");
    EXPECT_EQ(env.get("FW_T_C"), "\"open");
}

TEST(Environment, TakesTheLastOfTwo) {
    Environment env = read("FW_T_A=1\nFW_T_A=2\n");
    EXPECT_EQ(env.get("FW_T_A"), "2");
    EXPECT_EQ(env.line("FW_T_A"), 2);
}

TEST(Environment, ReportsALineThatIsNoAssignment) {
    Environment env = read("FW_T_A=1\nnonsense\n=x\n");
    ASSERT_EQ(env.problems.size(), 2u);
    EXPECT_EQ(env.problems[0].line, 2);
    EXPECT_EQ(env.problems[0].severity, Severity::warning);
    EXPECT_TRUE(env.problems[0].str().contains(":2: warning: "));
}

TEST(Environment, LetsTheProcessWin) {
    ::setenv("FW_T_PROCESS", "process", 1);
    Environment env = read("FW_T_PROCESS=file\n");
    ::unsetenv("FW_T_PROCESS");
    EXPECT_EQ(env.get("FW_T_PROCESS"), "process");
    EXPECT_EQ(env.line("FW_T_PROCESS"), 0);
}

TEST(Environment, IsEmptyWithoutAFile) {
    Environment env = Environment::read("/nonexistent/.env");
    EXPECT_EQ(env.get("FW_T_A"), "");
    EXPECT_TRUE(env.problems.empty());
}

TEST(Environment, TurnsAFlagOnWithOneOnly) {
    Environment env = Environment::of({{"A", "1"}, {"B", "true"}, {"C", "01"}});
    EXPECT_TRUE(env.on("A"));
    EXPECT_FALSE(env.on("B"));
    EXPECT_FALSE(env.on("C"));
    EXPECT_FALSE(env.on("D"));
}

}  // namespace
}  // namespace config
