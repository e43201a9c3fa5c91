#include "llm/images.h"

#include "base/base64.h"
#include "llm/image_fields.h"
#include "llm/image_stream.h"
#include "llm/json.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llm {
namespace {

using base::Provider;

ImageRequest parsed(std::string body) {
    auto request = parse_images(std::move(body));
    EXPECT_TRUE(request.has_value()) << (request ? "" : request.error().detail);
    return request ? std::move(*request) : ImageRequest{};
}

std::string wrong(std::string body) {
    const auto request = parse_images(std::move(body));
    return request ? "" : request.error().detail;
}

ImageCall called(const std::string& body, Provider provider, std::string_view model,
                 Delivery wanted = Delivery::url) {
    const Upstream upstream{.provider = provider, .alias = "a", .model = model};
    auto call = image_dialect(provider)->call(parsed(body), upstream, wanted);
    EXPECT_TRUE(call.has_value()) << (call ? "" : call.error().detail);
    return call ? std::move(*call) : ImageCall{};
}

bool says(const ImageCall& call, std::string_view change) {
    return std::ranges::find(call.changes, change) != call.changes.end();
}

TEST(Images, ReadsWhatOpenAiKnows) {
    const ImageRequest request = parsed(
        R"({"model":"m","prompt":"a \"cat\"","n":2,"size":"1024x1024","response_format":"b64_json","user":null,"x":[1]})");
    EXPECT_EQ(request.prompt, "a \"cat\"");
    EXPECT_EQ(request.n, 2u);
    EXPECT_EQ(request.wanted, Delivery::base64);
    EXPECT_EQ(request.find("user"), nullptr) << "null says nothing";
    EXPECT_EQ(request.find("x")->json, "[1]");
}

TEST(Images, NamesTheMemberThatIsWrong) {
    EXPECT_NE(wrong("").find("empty"), std::string::npos);
    EXPECT_NE(wrong("3").find("JSON object"), std::string::npos);
    EXPECT_NE(wrong(R"({"model":"m","prompt":"x")").find("breaks at byte"), std::string::npos);
    EXPECT_NE(wrong(R"({"model":"m","prompt":"x","size":"0x9"})").find("`size`"),
              std::string::npos);
    EXPECT_NE(wrong(R"({"model":"m","prompt":"x","output_compression":101})").find("0 to 100"),
              std::string::npos);
    EXPECT_NE(wrong(R"({"model":"m","prompt":"x","prompt":"y"})").find("twice"), std::string::npos);
}

TEST(Images, NearestSizeByFormThenArea) {
    constexpr ImageSize kLegal[] = {{1024, 1024}, {1792, 1024}, {1024, 1792}};
    EXPECT_EQ(nearest_size({512, 512}, kLegal).text(), "1024x1024");
    EXPECT_EQ(nearest_size({1920, 1080}, kLegal).text(), "1792x1024");
    EXPECT_EQ(nearest_size({100, 4000}, kLegal).text(), "1024x1792");
    constexpr ImageSize kSquares[] = {{256, 256}, {512, 512}, {1024, 1024}};
    EXPECT_EQ(nearest_size({600, 600}, kSquares).text(), "512x512");
    EXPECT_EQ(nearest_size({4096, 4096}, kSquares).text(), "1024x1024");
}

TEST(Images, DallE3TakesWhatItKnows) {
    const ImageCall call = called(
        R"({"model":"a","prompt":"x","size":"1536x1024","quality":"medium","moderation":"low","stream":true,"partial_images":2})",
        Provider::openai, "dall-e-3", Delivery::base64);
    EXPECT_EQ(
        call.body,
        R"({"model":"dall-e-3","prompt":"x","size":"1792x1024","quality":"standard","response_format":"b64_json"})");
    EXPECT_FALSE(call.stream);
    EXPECT_TRUE(says(call, "removed moderation"));
    EXPECT_TRUE(says(call, "removed partial_images"));
    EXPECT_TRUE(says(call, "changed quality medium to standard"));
}

TEST(Images, GptImageStreams) {
    const ImageCall call =
        called(R"({"model":"a","prompt":"x","stream":true,"partial_images":2,"size":"auto"})",
               Provider::openai, "gpt-image-1");
    EXPECT_EQ(
        call.body,
        R"({"model":"gpt-image-1","prompt":"x","stream":true,"partial_images":2,"size":"auto"})");
    EXPECT_TRUE(call.stream);
    EXPECT_TRUE(call.changes.empty());
}

TEST(Images, AStrangerKeepsEveryMember) {
    const ImageCall call =
        called(R"({"model":"a","prompt":"x","size":"700x700","seed":5,"response_format":"url"})",
               Provider::openai_compatible, "my-model");
    EXPECT_EQ(
        call.body,
        R"({"model":"my-model","prompt":"x","size":"700x700","seed":5,"response_format":"url"})");
}

TEST(Images, ConfigurationHasItsWay) {
    const std::vector<Extra> defaults{{"size", "\"512x512\""}, {"cache", "true"}};
    const std::vector<Extra> overrides{{"quality", "\"hd\""}};
    const std::vector<std::string> drop{"style"};
    const Upstream upstream{.provider = Provider::openai,
                            .alias = "a",
                            .model = "dall-e-3",
                            .defaults = defaults,
                            .overrides = overrides,
                            .drop = drop};
    const auto call =
        image_dialect(Provider::openai)
            ->call(parsed(R"({"model":"a","prompt":"x","size":"auto","style":"vivid"})"), upstream,
                   Delivery::url);
    ASSERT_TRUE(call.has_value());
    EXPECT_EQ(
        call->body,
        R"({"model":"dall-e-3","prompt":"x","size":"1024x1024","cache":true,"quality":"hd"})");
    EXPECT_TRUE(says(*call, "removed style"));
}

TEST(Images, ATagIsTakenOutWhateverTheServerIsCalled) {
    const ImageCall call = called(
        R"({"model":"a","prompt":"a <sd_cpp_extra_args>{\"steps\":99}</sd_cpp_extra_args>cat","seed":5})",
        Provider::openai_compatible, "my-model");
    EXPECT_EQ(call.body, R"({"model":"my-model","prompt":"a cat","seed":5})");
    EXPECT_TRUE(says(call, "removed sd_cpp_extra_args from prompt"));
}

TEST(Images, ATagInThePromptOfSdcppIsTakenOutWhole) {
    const std::vector<std::string> allow{"sd_cpp_extra_args"};
    const auto prompt = [&](std::string_view text, bool allowed = false) {
        Upstream upstream{.alias = "a", .model = "local-sdcpp-cpu-x"};
        if (allowed) upstream.allow = allow;
        const std::string body = "{\"model\":\"a\",\"prompt\":" + json::quote(text) + "}";
        const auto call =
            image_dialect(upstream.provider)->call(parsed(body), upstream, Delivery::base64);
        EXPECT_TRUE(call.has_value());
        const std::size_t at = call->body.find("\"prompt\":") + 9;
        return json::text(call->body.substr(at, call->body.rfind('}') - at)).value_or("?");
    };
    EXPECT_EQ(prompt("a <sd_cpp_extra_args>{1}</sd_cpp_extra_args>cat"), "a cat");
    EXPECT_EQ(prompt("a<sd_cpp_extra_args>1</sd_cpp_extra_args>b<sd_cpp_extra_args>2"
                     "</sd_cpp_extra_args>c</sd_cpp_extra_args>d"),
              "abcd");
    EXPECT_EQ(prompt("cat<sd_cpp_extra_args>{\"steps\":99}"), "cat");
    EXPECT_EQ(prompt("cat<sd_cpp_</sd_cpp_extra_args>extra_args>x"), "cat");
    EXPECT_EQ(prompt("cat<sd_cpp_<sd_cpp_extra_args>x</sd_cpp_extra_args>extra_args>y"), "cat");
    EXPECT_EQ(prompt("a < b > c"), "a < b > c");
    EXPECT_EQ(prompt("a<sd_cpp_extra_args>{1}</sd_cpp_extra_args>", true),
              "a<sd_cpp_extra_args>{1}</sd_cpp_extra_args>");
}

TEST(Images, SeveralAtOnceOnlyWhereTheyCan) {
    const ImageRequest request = parsed(R"({"model":"a","prompt":"x","n":2})");
    const auto can = [&](Provider provider, std::string_view model) {
        return image_dialect(provider)
            ->call(request, {.provider = provider, .alias = "a", .model = model}, Delivery::url)
            .has_value();
    };
    EXPECT_FALSE(can(Provider::openai, "dall-e-3"));
    EXPECT_TRUE(can(Provider::openai, "gpt-image-1"));
    EXPECT_FALSE(can(Provider::huggingface, "o/m"));
    EXPECT_TRUE(can(Provider::huggingface, "o/m:together"));
    EXPECT_FALSE(can(Provider::huggingface, "o/m:replicate"));
    EXPECT_FALSE(can(Provider::huggingface, "o/m:novita")) << "no route is known";
    EXPECT_EQ(image_dialect(Provider::anthropic), nullptr);
}

const std::string kPng = "\x89PNG\r\n\x1a\nrest";

std::string form_of(std::initializer_list<std::pair<std::string, std::string>> fields,
                    const std::string& field = "image", const std::string& file = kPng) {
    std::string out;
    for (const auto& [name, value] : fields)
        out +=
            "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    out += "--b\r\nContent-Disposition: form-data; name=\"" + field +
           "\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" + file + "\r\n--b--\r\n";
    return out;
}

TEST(ImageForm, GoesOutWithOtherMembers) {
    const auto request = parse_image_form(
        form_of({{"model", "a"}, {"prompt", "x"}, {"n", "2"}, {"response_format", "url"}},
                "image[]"),
        "multipart/form-data; boundary=b");
    ASSERT_TRUE(request.has_value()) << request.error().detail;
    EXPECT_TRUE(request->edit);
    EXPECT_EQ(request->n, 2u);
    EXPECT_EQ(request->wanted, Delivery::url);
    const Upstream upstream{.provider = Provider::openai, .alias = "a", .model = "gpt-image-1"};
    const auto call = image_dialect(Provider::openai)->call(*request, upstream, Delivery::url);
    ASSERT_TRUE(call.has_value());
    EXPECT_EQ(call->path, "/images/edits");
    EXPECT_EQ(call->content_type, "multipart/form-data; boundary=b");
    EXPECT_EQ(call->body,
              form_of({{"model", "gpt-image-1"}, {"prompt", "x"}, {"n", "2"}}, "image[]"));
    const Upstream dall_e{.provider = Provider::openai, .alias = "a", .model = "dall-e-3"};
    EXPECT_FALSE(image_dialect(Provider::openai)->call(*request, dall_e, Delivery::url));
    const Upstream local{.alias = "a", .model = "local-sdcpp-cpu-sd-turbo"};
    EXPECT_FALSE(image_dialect(local.provider)->call(*request, local, Delivery::url));
}

TEST(ImageForm, NamesThePartThatIsWrong) {
    const std::string type = "multipart/form-data; boundary=b";
    const auto why = [&](const std::string& body) {
        const auto request = parse_image_form(body, type);
        return request ? "" : request.error().detail;
    };
    EXPECT_NE(why(form_of({{"model", "a"}})).find("`prompt`"), std::string::npos);
    EXPECT_NE(why(form_of({{"model", "a"}, {"prompt", "x"}}, "mask")).find("`image` is missing"),
              std::string::npos);
    EXPECT_NE(why(form_of({{"model", "a"}, {"prompt", "x"}}, "image", "text")).find("no image"),
              std::string::npos);
    EXPECT_NE(why(form_of({{"model", "a"}, {"prompt", "x"}}, "photo")).find("`photo`"),
              std::string::npos);
    EXPECT_NE(why(form_of({{"model", "a"}, {"model", "b"}})).find("twice"), std::string::npos);
    const std::string whole = form_of({{"model", "a"}, {"prompt", "x"}});
    EXPECT_NE(why(whole.substr(0, whole.size() - 9)), "");
    EXPECT_FALSE(parse_image_form(whole, "application/json").has_value());
}

std::expected<ImageReply, Failure> read(std::string_view model, std::string_view path,
                                        std::string_view body) {
    const Upstream upstream{.provider = Provider::huggingface, .alias = "a", .model = model};
    return image_dialect(Provider::huggingface)->read(upstream, path, body, {});
}

TEST(Images, AQueueIsAskedOnItsOwnRoute) {
    const auto submitted = read(
        "o/m:fal-ai", "/fal-ai/fal-ai/flux/schnell?_subdomain=queue",
        R"({"status":"IN_QUEUE","request_id":"r1","response_url":"https://queue.fal.run/fal-ai/flux/requests/r1"})");
    ASSERT_TRUE(submitted.has_value());
    EXPECT_EQ(submitted->next, "/fal-ai/fal-ai/flux/requests/r1/status?_subdomain=queue");
    EXPECT_TRUE(submitted->wait);
    const auto waiting = read("o/m:fal-ai", submitted->next, R"({"status":"IN_PROGRESS"})");
    EXPECT_EQ(waiting->next, submitted->next);
    const auto ready = read("o/m:fal-ai", submitted->next, R"({"status":"COMPLETED"})");
    EXPECT_EQ(ready->next, "/fal-ai/fal-ai/flux/requests/r1?_subdomain=queue");
    EXPECT_FALSE(ready->wait);
    const auto result = read("o/m:fal-ai", ready->next,
                             R"({"images":[{"url":"https://x.test/1.png","width":9}],"seed":1})");
    ASSERT_TRUE(result->next.empty());
    EXPECT_EQ(result->answer.images.at(0).url, "https://x.test/1.png");
}

TEST(Images, AQueueLeadsNowhereElse) {
    for (const char* url : {"https://queue.fal.run/../admin", "https://queue.fal.run/a b",
                            "https://queue.fal.run", "x", ""}) {
        const auto reply = read("o/m:fal-ai", "/fal-ai/x?_subdomain=queue",
                                R"({"status":"IN_QUEUE","response_url":)" + json::quote(url) + "}");
        EXPECT_FALSE(reply.has_value()) << url;
    }
}

TEST(Images, EndsOfJobs) {
    EXPECT_EQ(read("o/m:replicate", "/", R"({"status":"succeeded","output":"https://x.test/1"})")
                  ->answer.images.at(0)
                  .url,
              "https://x.test/1");
    EXPECT_EQ(
        read(
            "o/m:replicate", "/",
            R"({"status":"processing","output":null,"urls":{"get":"https://api.r.com/v1/predictions/1"}})")
            ->next,
        "/replicate/v1/predictions/1");
    EXPECT_FALSE(read("o/m:replicate", "/", R"({"status":"failed","error":"NSFW"})").has_value());
    EXPECT_FALSE(
        read("o/m:wavespeed", "/", R"({"data":{"status":"completed","outputs":[]}})").has_value());
    EXPECT_FALSE(read("o/m", "/", "<html>").has_value());
    EXPECT_FALSE(read("o/m", "/", R"({"error":"Model is loading"})").has_value());
    EXPECT_EQ(read("o/m", "/", "\x89PNG\r\n\x1a\nrest")->answer.images.at(0).bytes.size(), 12u);
}

TEST(Images, AWholeAnswerKeepsWhatItSays) {
    const Upstream upstream{.provider = Provider::openai, .alias = "a", .model = "gpt-image-1"};
    const auto answer = read_images_json(
        upstream,
        R"({"created":5,"size":"1024x1024","data":[{"b64_json":"AA\/A","revised_prompt":"r"},{"url":"data:image\/png;base64,QQ=="}],"usage":{"input_tokens":50,"output_tokens":272,"input_tokens_details":{"image_tokens":40}}})",
        {});
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->images.at(0).base64, "AA/A");
    EXPECT_EQ(answer->images.at(1).base64, "QQ==");
    EXPECT_EQ(answer->usage.images, 2);
    EXPECT_EQ(answer->usage.prompt, 50u);
    EXPECT_EQ(answer->image_input_tokens, 40u);
    EXPECT_EQ(
        images_json(*answer, base::WallTime(std::chrono::seconds(9))),
        R"({"created":9,"size":"1024x1024","data":[{"b64_json":"AA/A","revised_prompt":"r"},{"b64_json":"QQ=="}],"usage":{"input_tokens":50,"output_tokens":272,"input_tokens_details":{"image_tokens":40}}})");
}

TEST(Images, AnswersThatAreNone) {
    const Upstream upstream{.provider = Provider::openai, .alias = "a", .model = "m"};
    for (const char* body : {"", "[]", "{}", R"({"data":[]})", R"({"data":[{}]})",
                             R"({"data":null})", R"({"data":[{"b64_json":"AA"}])"})
        EXPECT_FALSE(read_images_json(upstream, body, {}).has_value()) << body;
    const auto refused =
        read_images_json(upstream, R"({"error":{"message":"no","type":"insufficient_quota"}})", {});
    EXPECT_EQ(refused.error().outcome, Outcome::exhausted);
}

constexpr std::string_view kPartial =
    "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\","
    "\"b64_json\":\"AAAA\",\"partial_image_index\":0}\n\n";
constexpr std::string_view kWhole =
    "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\","
    "\"b64_json\":\"BBBB\",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}\n\n";

TEST(ImageStream, PassesAtEverySplit) {
    const std::string all = ": hi\n\n" + std::string(kPartial) + std::string(kWhole);
    const Upstream upstream;
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        ImageStream stream(upstream, 1, {});
        std::string out;
        EXPECT_FALSE(stream.feed(all.substr(0, cut), out).has_value());
        EXPECT_EQ(stream.committed(), cut >= 6 + kPartial.size()) << cut;
        EXPECT_FALSE(stream.feed(all.substr(cut), out).has_value());
        EXPECT_TRUE(stream.done());
        EXPECT_EQ(out, all) << cut;
        EXPECT_EQ(stream.usage().completion, 7u);
        EXPECT_EQ(stream.usage().images, 1);
    }
}

TEST(ImageStream, EndsThatAreNone) {
    const Upstream upstream;
    std::string out;
    ImageStream cut(upstream, 1, {});
    EXPECT_FALSE(cut.feed(kPartial, out).has_value());
    EXPECT_TRUE(cut.finish(out).has_value());
    ImageStream refused(upstream, 1, {});
    const auto failure = refused.feed(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"moderation_blocked\","
        "\"type\":\"invalid_request_error\",\"message\":\"no\"}}\n\n",
        out);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->outcome, Outcome::content_filtered);
    ImageStream two(upstream, 2, {});
    EXPECT_FALSE(two.feed(kWhole, out).has_value());
    EXPECT_FALSE(two.done());
    EXPECT_FALSE(two.finish(out).has_value());
}

}  // namespace
}  // namespace llm
