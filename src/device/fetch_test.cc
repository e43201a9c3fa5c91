#include "device/fetch.h"

#include "device/partial_file.h"
#include "device/url.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

namespace device {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;

/// Serves one connection after another by a script: each request takes the next reply,
/// the last one again and again. A reply is bytes; then the connection is closed.
class Server {
public:
    using Script = std::function<std::string(std::size_t call, const std::string& request)>;

    explicit Server(Script script)
        : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        ::bind(listener_, generic, size);
        ::listen(listener_, 16);
        ::getsockname(listener_, generic, &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }
    ~Server() {
        thread_.request_stop();
        thread_.join();
        ::close(listener_);
    }

    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    std::vector<std::string> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    void serve(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd ready{listener_, POLLIN, 0};
            if (::poll(&ready, 1, 20) <= 0) continue;
            const int client = ::accept(listener_, nullptr, nullptr);
            std::string request;
            char bytes[4096];
            for (ssize_t got = 0; request.find("\r\n\r\n") == std::string::npos;) {
                if ((got = ::recv(client, bytes, sizeof bytes, 0)) <= 0) break;
                request.append(bytes, static_cast<std::size_t>(got));
            }
            std::size_t call = 0;
            {
                const std::lock_guard lock(mutex_);
                call = requests_.size();
                requests_.push_back(request);
            }
            const std::string reply = script_(call, request);
            for (std::size_t sent = 0; sent < reply.size();) {
                const ssize_t now =
                    ::send(client, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
                if (now <= 0) break;
                sent += static_cast<std::size_t>(now);
            }
            ::shutdown(client, SHUT_WR);
            while (::recv(client, bytes, sizeof bytes, 0) > 0) {
            }
            ::close(client);
        }
    }

    Script script_;
    int listener_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::jthread thread_;
};

std::string content() {
    std::string bytes;
    for (std::uint32_t i = 0; bytes.size() < 300'000; ++i) bytes += std::to_string(i * 2654435761u);
    return bytes;
}

std::string reply(const std::string& status, const std::string& headers, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

std::string length(std::size_t size) { return "Content-Length: " + std::to_string(size) + "\r\n"; }

/// A correct file server; `cut`: at most so many bytes of body a connection.
std::string file_reply(const std::string& request, const std::string& file, const std::string& etag,
                       std::size_t cut = std::string::npos) {
    const std::string tag = "ETag: " + etag + "\r\n";
    const std::size_t range = request.find("Range: bytes=");
    const bool fresh = request.find("If-Range: " + etag + "\r\n") != std::string::npos;
    if (range == std::string::npos || !fresh)
        return reply("200 OK", length(file.size()) + tag, file.substr(0, cut));
    const std::size_t first = std::stoul(request.substr(range + 13));
    if (first >= file.size())
        return reply("416 Range Not Satisfiable",
                     "Content-Range: bytes */" + std::to_string(file.size()) + "\r\n" + length(0),
                     "");
    const std::string span = "Content-Range: bytes " + std::to_string(first) + '-' +
                             std::to_string(file.size() - 1) + '/' + std::to_string(file.size()) +
                             "\r\n";
    return reply("206 Partial Content", length(file.size() - first) + span + tag,
                 file.substr(first, cut));
}

class FetchTest : public testing::Test {
protected:
    FetchTest() {
        std::string pattern = fs::temp_directory_path() / "freeway-fetch-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        std::ofstream(folder_ / "original", std::ios::binary) << file_;
        sum_ = *file_sha256(folder_ / "original");
    }
    ~FetchTest() override { fs::remove_all(folder_); }

    base::Result<void> get(const Server& server, const std::string& path = "/m.gguf",
                           int tries = 5) {
        return fetch({server.url(path), destination(), sum_, tries},
                     [this](FetchProgress progress) {
                         EXPECT_LE(progress.done, progress.total.value_or(file_.size()));
                         last_ = progress;
                     });
    }
    std::string destination() const { return folder_ / "deep" / "m.gguf"; }
    std::string read(const std::string& path) const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void expect_whole() const {
        EXPECT_TRUE(read(destination()) == file_);
        EXPECT_FALSE(fs::exists(destination() + ".part"));
        EXPECT_FALSE(fs::exists(destination() + ".part.etag"));
    }

    const std::string file_ = content();
    fs::path folder_;
    std::string sum_;
    FetchProgress last_;
};

TEST_F(FetchTest, FetchesAndReportsProgress) {
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"");
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    EXPECT_EQ(last_.done, file_.size());
    EXPECT_EQ(last_.total, file_.size());
    EXPECT_EQ(server.requests().at(0).find("Authorization"), std::string::npos);
    ASSERT_TRUE(get(server));
    EXPECT_EQ(server.requests().size(), 1u) << "what is there already is left alone";
}

TEST_F(FetchTest, ResumesWhenTheConnectionIsCut) {
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"", 100'000);
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 4u);
    EXPECT_NE(requests[1].find("Range: bytes=100000-\r\nIf-Range: \"a\"\r\n"), std::string::npos)
        << requests[1];
}

TEST_F(FetchTest, ALaterCallResumesWhatAnEarlierOneLeft) {
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"", 160'000);
    });
    const auto first = get(server, "/m.gguf", 1);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().kind, ErrorKind::reset);
    EXPECT_EQ(fs::file_size(destination() + ".part"), 160'000u);
    EXPECT_FALSE(fs::exists(destination()));
    const auto second = get(server, "/m.gguf", 1);
    ASSERT_TRUE(second) << second.error().detail;
    expect_whole();
    EXPECT_NE(server.requests()[1].find("Range: bytes=160000-"), std::string::npos);
}

TEST_F(FetchTest, AFileThatChangedStartsAgain) {
    const std::string older(200'000, 'x');
    const Server server([&](std::size_t call, const std::string& request) {
        return call == 0 ? file_reply(request, older, "\"old\"", 150'000)
                         : file_reply(request, file_, "\"new\"");
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(FetchTest, AServerThatIgnoresRangeStartsAgain) {
    const Server server([&](std::size_t call, const std::string&) {
        return reply("200 OK", length(file_.size()), call == 0 ? file_.substr(0, 5'000) : file_);
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    EXPECT_NE(server.requests()[1].find("Range: bytes=5000-"), std::string::npos)
        << "the checksum guards it";
}

TEST_F(FetchTest, AWholePartIsFinished) {
    fs::create_directories(folder_ / "deep");
    std::ofstream(destination() + ".part", std::ios::binary) << file_;
    std::ofstream(destination() + ".part.etag") << "\"a\"\n";
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"");
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(FetchTest, APartThatIsTooLongStartsAgain) {
    fs::create_directories(folder_ / "deep");
    std::ofstream(destination() + ".part", std::ios::binary) << file_ << "more";
    std::ofstream(destination() + ".part.etag") << "\"a\"\n";
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"");
    });
    ASSERT_TRUE(get(server));
    expect_whole();
}

TEST_F(FetchTest, AWrongRangeStartsAgain) {
    const Server server([&](std::size_t call, const std::string& request) {
        if (call == 0) return file_reply(request, file_, "\"a\"", 1'000);
        if (call > 1) return file_reply(request, file_, "\"a\"");
        return reply("206 Partial Content", length(10) + "Content-Range: bytes 7-16/300000\r\n",
                     "0123456789");
    });
    const auto done = get(server);
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
}

TEST_F(FetchTest, AWrongChecksumRemovesThePart) {
    const Server server(
        [&](std::size_t, const std::string&) { return reply("200 OK", length(4), "evil"); });
    const auto done = get(server);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::refused);
    EXPECT_NE(done.error().detail.find("wrong checksum"), std::string::npos);
    EXPECT_TRUE(fs::is_empty(folder_ / "deep"));
}

TEST_F(FetchTest, FollowsRedirects) {
    const Server server([&](std::size_t, const std::string& request) {
        if (request.starts_with("GET /a/m "))
            return reply("302 Found", "Location: ../b?x=1\r\n" + length(0), "");
        if (request.starts_with("GET /b?x=1 "))
            return reply("307 T", "Location: /c\r\n" + length(0), "");
        if (request.starts_with("GET /c ")) {
            const std::size_t host = request.find("Host: ") + 6;
            return reply("301 M",
                         "Location: http://" +
                             request.substr(host, request.find("\r\n", host) - host) + "/real\r\n" +
                             length(0),
                         "");
        }
        return file_reply(request, file_, "\"a\"");
    });
    const auto done = get(server, "/a/m");
    ASSERT_TRUE(done) << done.error().detail;
    expect_whole();
    EXPECT_TRUE(server.requests().back().starts_with("GET /real "));
}

TEST_F(FetchTest, GivesUpOnARedirectLoop) {
    const Server server([](std::size_t, const std::string&) {
        return reply("302 Found", "Location: /m.gguf\r\n" + length(0), "");
    });
    EXPECT_EQ(get(server).error().detail, "more than 5 redirects");
    EXPECT_EQ(server.requests().size(), 6u);
}

TEST_F(FetchTest, SaysWhereARedirectMayNotLead) {
    const Server server([](std::size_t, const std::string&) {
        return reply("302 Found", "Location: file:///etc/passwd\r\n" + length(0), "");
    });
    EXPECT_EQ(get(server).error().detail,
              "redirect: it leads to a file: address, and only http and https are followed");
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(FetchTest, RefusesAMalformedChecksumBeforeItAsks) {
    const Server server([&](std::size_t, const std::string& request) {
        return file_reply(request, file_, "\"a\"");
    });
    for (const std::string& bad :
         {std::string("xyz"), std::string(63, 'a'), std::string(65, 'a')}) {
        const auto done = fetch({server.url("/m.gguf#sha256=" + bad), destination(), {}}, nullptr);
        EXPECT_EQ(done.error().kind, ErrorKind::bad_input);
        EXPECT_TRUE(done.error().detail.contains("`" + bad + "` is not 64")) << done.error().detail;
    }
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(FetchTest, RefusesAWebPageInPlaceOfAFile) {
    const Server server([](std::size_t, const std::string&) {
        return reply("200 OK", "Content-Type: Text/HTML; charset=utf-8\r\n" + length(5), "hello");
    });
    const auto done = fetch({server.url("/m.gguf?x=a.html"), destination(), {}}, nullptr);
    ASSERT_FALSE(done);
    EXPECT_TRUE(done.error().detail.contains("a web page (text/html)")) << done.error().detail;
    EXPECT_EQ(server.requests().size(), 1u);
    EXPECT_TRUE(fs::is_empty(folder_ / "deep"));
    EXPECT_TRUE(fetch({server.url("/page.html"), destination(), {}}, nullptr));
}

TEST_F(FetchTest, RefusesAnEmptyFile) {
    const Server server([](std::size_t call, const std::string&) {
        return call == 0 ? reply("200 OK", length(0), "")
                         : reply("200 OK", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
    });
    for (int i = 0; i < 2; ++i) {
        const auto done = fetch({server.url("/m.gguf"), destination(), {}}, nullptr);
        ASSERT_FALSE(done);
        EXPECT_TRUE(done.error().detail.contains("empty file")) << done.error().detail;
        EXPECT_TRUE(fs::is_empty(folder_ / "deep"));
    }
}

TEST_F(FetchTest, NothingStaysOfWhatNeverCame) {
    for (const char* status : {"401 Unauthorized", "404 Not Found", "500 Internal Server Error"}) {
        const Server server(
            [&](std::size_t, const std::string&) { return reply(status, length(2), "no"); });
        EXPECT_FALSE(get(server, "/m.gguf", 2));
        EXPECT_TRUE(fs::is_empty(folder_ / "deep")) << status;
    }
}

TEST_F(FetchTest, APartOfAnotherUrlIsNotGoneOnWith) {
    const std::string other(200'000, 'x');
    const Server server([&](std::size_t call, const std::string& request) {
        return call == 0 ? file_reply(request, other, "\"1\"", 150'000)
                         : file_reply(request, file_, "\"1\"");
    });
    EXPECT_FALSE(fetch({server.url("/one/m.gguf"), destination(), {}, 1}, nullptr));
    EXPECT_EQ(fs::file_size(destination() + ".part"), 150'000u);
    EXPECT_TRUE(fetch({server.url("/two/m.gguf"), destination(), {}}, nullptr));
    expect_whole();
    EXPECT_FALSE(server.requests()[1].contains("Range:"));
}

TEST_F(FetchTest, TellsAMissingFileAtOnceAndRetriesABusyServer) {
    const Server missing(
        [](std::size_t, const std::string&) { return reply("404 Not Found", length(0), ""); });
    EXPECT_EQ(get(missing).error().detail, "the server answered with status 404");
    EXPECT_EQ(missing.requests().size(), 1u);
    const Server busy([&](std::size_t call, const std::string& request) {
        return call == 0 ? reply("503 Busy", length(0), "") : file_reply(request, file_, "\"a\"");
    });
    EXPECT_TRUE(get(busy));
    expect_whole();
}

TEST_F(FetchTest, FetchesWithoutLengthOrChecksum) {
    const Server server([&](std::size_t, const std::string&) {
        return reply("200 OK", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    });
    ASSERT_TRUE(fetch({server.url("/x"), destination(), {}}, nullptr));
    EXPECT_EQ(read(destination()), "hello");
}

TEST_F(FetchTest, RefusesAFileLargerThanTheDisk) {
    const Server server([](std::size_t, const std::string&) {
        return reply("200 OK", length(std::size_t{1} << 60), "start");
    });
    const auto done = get(server);
    EXPECT_EQ(done.error().kind, ErrorKind::io);
    EXPECT_NE(done.error().detail.find("not enough disk space"), std::string::npos)
        << done.error().detail;
}

TEST_F(FetchTest, OneDownloadAtATime) {
    const auto first = PartialFile::open(destination());
    ASSERT_TRUE(first);
    const auto second = PartialFile::open(destination());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("already downloading"), std::string::npos);
    EXPECT_TRUE(fs::exists(destination() + ".part")) << "it is the first one's";
}

TEST_F(FetchTest, StopsAtOnceWhileItPausesBetweenTries) {
    std::stop_source stop;
    FetchRequest request{"http://127.0.0.1:1/x", destination(), {}, 1'000'000};
    request.stop = stop.get_token();
    std::jthread stopper([&stop] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        stop.request_stop();
    });
    EXPECT_EQ(fetch(request, nullptr).error().kind, ErrorKind::gone);
}

/// Reading it through would take longer than any test may.
void make_huge(const fs::path& file) {
    std::ofstream(file) << '\n';
    fs::resize_file(file, std::uintmax_t{1} << 40);
}

TEST_F(FetchTest, StopsAtOnceWhileItReadsWhatIsThere) {
    const std::string sum(64, '0');
    fs::create_directories(folder_ / "deep");
    for (const std::string& large : {destination() + ".part", destination()}) {
        make_huge(large);
        std::stop_source stop;
        std::jthread stopper([&stop] {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            stop.request_stop();
        });
        const FetchRequest request{"http://127.0.0.1:1/x", destination(), sum, 1, stop.get_token()};
        EXPECT_EQ(fetch(request, nullptr).error().kind, ErrorKind::gone) << large;
        EXPECT_EQ(fs::file_size(large), std::uintmax_t{1} << 40) << "what has come is kept";
    }
}

TEST_F(FetchTest, NamesAServerThatIsNotThere) {
    const auto done = fetch({"http://127.0.0.1:1/x", destination(), {}, 2}, nullptr);
    EXPECT_EQ(done.error().kind, ErrorKind::connect);
}

std::string shown(const base::Result<Url>& url) {
    if (!url) return "error";
    const net::Endpoint& to = url->endpoint;
    return (to.tls ? "https " : "http ") + to.host + ' ' + std::to_string(to.port) + ' ' +
           url->target;
}

TEST(Url, Reads) {
    EXPECT_EQ(shown(parse_url("https://host")), "https host 443 /");
    EXPECT_EQ(shown(parse_url("http://host:81/a/b?c=d#e")), "http host 81 /a/b?c=d");
    EXPECT_EQ(shown(parse_url("http://[::1]:8080?q")), "http ::1 8080 /?q");
    for (const char* bad :
         {"", "ftp://host/", "http://", "http://user:pw@host/", "http://host:0/", "http://host:x/",
          "http://host/a b", "http://host/a\r\nX: y", "http://[::1/"})
        EXPECT_EQ(parse_url(bad).error().kind, ErrorKind::bad_input) << bad;
}

TEST(Url, FollowsLocations) {
    const Url base = *parse_url("https://host/a/b/c?q=1");
    EXPECT_EQ(shown(follow(base, "http://other/x")), "http other 80 /x");
    EXPECT_EQ(shown(follow(base, "//other/x")), "https other 443 /x");
    EXPECT_EQ(shown(follow(base, "/x?y#z")), "https host 443 /x?y");
    EXPECT_EQ(shown(follow(base, "d")), "https host 443 /a/b/d");
    EXPECT_EQ(shown(follow(base, "../d")), "https host 443 /a/d");
    EXPECT_EQ(shown(follow(base, "../../../d/.")), "https host 443 /d/");
    EXPECT_EQ(shown(follow(base, "?r")), "https host 443 /a/b/c?r");
    EXPECT_EQ(shown(follow(base, "HTTP://other/x")), "http other 80 /x");
    EXPECT_EQ(shown(follow(base, "d?e=f:g")), "https host 443 /a/b/d?e=f:g");
    EXPECT_EQ(shown(follow(base, "a b")), "error");
    for (const char* elsewhere : {"file:///etc/passwd", "ftp://host/x", "data:,x"})
        EXPECT_TRUE(follow(base, elsewhere).error().detail.contains("only http and https"))
            << elsewhere;
}

TEST(Url, MayStateAChecksum) {
    EXPECT_EQ(stated_sha256("https://host/x/y.gguf#sha256=AbC1"), "abc1");
    EXPECT_EQ(stated_sha256("https://host/x/y.gguf?a=b"), "");
}

}  // namespace
}  // namespace device
