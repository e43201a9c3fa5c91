#include "device/agent_host.h"

#include "base/log.h"
#include "device/child.h"
#include "device/child_guard.h"
#include "device/process_limit.h"
#include "net/aside.h"

#include <sys/mman.h>
#include <unistd.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

#include <pthread.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <list>
#include <mutex>
#include <thread>

namespace device {

using base::ErrorKind;
using base::Result;

namespace asio = net::asio;
namespace fs = std::filesystem;

namespace {

using Descriptor = asio::posix::basic_stream_descriptor<net::Executor>;

constexpr std::size_t kReadSize = 16u << 10;
constexpr std::size_t kLastWords = 2'000;
/// From asking a guard to end until it is killed itself.
constexpr base::Duration kGrace{3'000};
constexpr base::Duration kShutdown{6'000};
/// Runs whose files are worked on at one time; further ones wait, at most kMostRuns in all.
constexpr std::size_t kFileThreads = 4;
/// From the end of its output until it is ended: time for its exit status to be seen.
constexpr base::Duration kMute{2'000};

/// An open file in memory that holds `text`, at its beginning.
Handle in_memory(const std::string& text) {
    Handle file(::memfd_create("prompt", MFD_CLOEXEC));
    for (std::size_t at = 0; file.get() >= 0 && at < text.size();) {
        const ssize_t wrote = ::write(file.get(), text.data() + at, text.size() - at);
        if (wrote <= 0) return Handle();
        at += static_cast<std::size_t>(wrote);
    }
    if (file.get() >= 0) ::lseek(file.get(), 0, SEEK_SET);
    return file;
}

/// The log says where; who asked the agent gets no path of this machine.
std::unexpected<base::Error> not_possible(std::string_view what, std::string_view path,
                                          std::string_view why) {
    base::log::write(base::log::Level::error, "agent_not_started",
                     {{"what", what}, {"path", path}, {"reason", why}});
    return base::fail(ErrorKind::io, fmt::format("{}: {}", what, why));
}

/// Several may write the same file of their home at once: each its own, the last one stays.
bool write_whole(const fs::path& path, const std::string& content) {
    static std::atomic<unsigned> written{0};
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    const fs::path beside = path.string() + ".new-" + std::to_string(written.fetch_add(1));
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << content;
    out.close();
    fs::permissions(beside, fs::perms::owner_read | fs::perms::owner_write, error);
    if (!error) fs::rename(beside, path, error);
    return out.good() && !error;
}

}  // namespace

/// Between the host's thread and a worker's.
struct AgentRun::Channel {
    explicit Channel(net::Executor executor) : timer(executor) {}

    /// Host's side: something is new.
    void wake(const std::shared_ptr<Channel>& self) {
        asio::post(timer.get_executor(), [self] { self->timer.cancel(); });
    }

    net::Timer timer;              ///< of the worker's thread
    std::function<void()> resume;  ///< posts to the host: there is room again
    /// Posts to the host: nobody wants it any more, after this time.
    std::function<void(base::Duration)> leave;
    std::mutex mutex;
    std::string output;
    std::string how;
    std::string words;
    bool full = false;  ///< the host waits until output is taken
    bool ended = false;
};

AgentRun::~AgentRun() {
    if (!answered_) channel_->leave(base::Duration(0));
}

void AgentRun::answered() {
    answered_ = true;
    channel_->leave(AgentHost::kFarewell);
}

net::Task<Result<std::string_view>> AgentRun::next(base::Time deadline, net::AbortHandle& abort) {
    given_.clear();
    for (;;) {
        {
            const std::lock_guard lock(channel_->mutex);
            given_.swap(channel_->output);
            if (std::exchange(channel_->full, false)) channel_->resume();
            if (!given_.empty() || channel_->ended) co_return std::string_view(given_);
        }
        if (abort.aborted()) co_return base::fail(ErrorKind::gone, "the client left");
        if (base::Clock::now() >= deadline)
            co_return base::fail(ErrorKind::timed_out, "no progress within the time limit");
        channel_->timer.expires_at(deadline);
        abort.attach(&channel_->timer);
        co_await channel_->timer.async_wait(net::kAwait);
        abort.attach(nullptr);
    }
}

std::string AgentRun::how() const {
    const std::lock_guard lock(channel_->mutex);
    return channel_->how;
}

std::string AgentRun::last_words() const {
    const std::lock_guard lock(channel_->mutex);
    return channel_->words;
}

struct AgentHost::Impl {
    using Channel = AgentRun::Channel;

    /// A guard and its agent, on the host's thread.
    struct Live : std::enable_shared_from_this<Live> {
        Live(Impl& impl, std::shared_ptr<Channel> to, AgentCommand what)
            : host(impl),
              channel(std::move(to)),
              command(std::move(what)),
              exit(impl.executor()),
              output(impl.executor()),
              errors(impl.executor()),
              patience(impl.executor()) {}

        void begin();
        Result<void> prepare() const;
        Result<Child> run() const;
        void started(Result<void> prepared);
        void read_on(Descriptor& from, bool shown);
        bool read(Descriptor& from, bool shown);
        bool take(std::string_view bytes, bool shown);
        void drain(Descriptor& from, bool shown);
        void terminate(std::string_view why);
        void terminate_in(base::Duration time, std::string_view why);
        void ended();
        void finish(std::string how);
        void gone(std::string how);

        Impl& host;
        std::shared_ptr<Channel> channel;
        AgentCommand command;
        Descriptor exit;
        Descriptor output;
        Descriptor errors;
        net::Timer patience;
        pid_t guard = 0;
        std::size_t printed = 0;
        std::string why;  ///< it was ended by us
        bool over = false;
        base::Time end_by = base::Time::max();
    };

    net::Executor executor() { return loop.get_executor(); }
    void remove(const Live* live);
    void run();

    asio::io_context loop{1};
    asio::executor_work_guard<net::Executor> work{loop.get_executor()};
    std::list<std::shared_ptr<Live>> lives;  ///< the host's thread's
    std::atomic<std::size_t> count{0};
    std::mutex mutex;
    std::condition_variable idle;
    std::thread thread;
    /// Makes, fills and removes the folders of runs: one whose disk is slow keeps only itself. The
    /// host's thread's; made for the first run.
    std::unique_ptr<asio::thread_pool> disk;
};

/// On a thread of the disk's: nothing but the command is looked at.
Result<void> AgentHost::Impl::Live::prepare() const {
    std::error_code error;
    fs::create_directories(command.folder, error);
    if (error) return not_possible("its folder can't be made", command.folder, error.message());
    fs::create_directories(command.home, error);
    fs::permissions(command.home, fs::perms::owner_all, error);
    for (const auto& [path, content] : command.files)
        if (!write_whole(path, content))
            return not_possible("a file of its own can't be written", path, "no room, or no right");
    return {};
}

Result<Child> AgentHost::Impl::Live::run() const {
    const Handle input = in_memory(command.input);
    return launch({.command = command.command,
                   .environment = command.environment,
                   .folder = command.folder,
                   .input = input.get(),
                   .parted = true,
                   .most_processes = command.most_processes});
}

void AgentHost::Impl::Live::begin() {
    if (!host.disk) host.disk = net::quiet_threads(kFileThreads);
    asio::post(*host.disk, [self = shared_from_this()]() mutable {
        Result<void> prepared = self->prepare();
        asio::io_context& loop = self->host.loop;
        asio::post(loop, [self = std::move(self), prepared = std::move(prepared)]() mutable {
            self->started(std::move(prepared));
        });
    });
}

/// Who was told to end meanwhile does not begin.
void AgentHost::Impl::Live::started(Result<void> prepared) {
    if (!why.empty()) return finish(why);
    if (!prepared) return finish("could not be started: " + prepared.error().detail);
    auto child = run();
    if (!child) return finish("could not be started: " + child.error().detail);
    guard = child->guard;
    exit.assign(child->exit.release());
    output.assign(child->output.release());
    errors.assign(child->errors.release());
    output.native_non_blocking(true);
    errors.native_non_blocking(true);
    read_on(output, true);
    read_on(errors, false);
    exit.async_wait(Descriptor::wait_read, [self = shared_from_this()](const net::error_code& e) {
        if (!e) self->ended();
    });
}

void AgentHost::Impl::Live::read_on(Descriptor& from, bool shown) {
    from.async_wait(Descriptor::wait_read,
                    [self = shared_from_this(), &from, shown](const net::error_code& error) {
                        if (!error && self->guard != 0 && self->read(from, shown))
                            self->read_on(from, shown);
                    });
}

/// Reads what there is. False: at the end, or as long as nobody takes it.
bool AgentHost::Impl::Live::read(Descriptor& from, bool shown) {
    std::array<char, kReadSize> bytes;
    const ssize_t got = ::read(from.native_handle(), bytes.data(), bytes.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got > 0) return take({bytes.data(), static_cast<std::size_t>(got)}, shown);
    if (shown) terminate_in(kMute, "closed its output");
    return false;
}

/// What is left in a pipe whose writers are gone: no more than the kernel holds.
void AgentHost::Impl::Live::drain(Descriptor& from, bool shown) {
    std::array<char, kReadSize> bytes;
    for (ssize_t got = 0; (got = ::read(from.native_handle(), bytes.data(), bytes.size())) > 0;)
        take({bytes.data(), static_cast<std::size_t>(got)}, shown);
}

bool AgentHost::Impl::Live::take(std::string_view bytes, bool shown) {
    printed += bytes.size();
    if (printed > command.most_output) {
        terminate("printed more than it may");
        return false;
    }
    const std::lock_guard lock(channel->mutex);
    if (!shown) {
        channel->words += bytes;
        if (channel->words.size() > kLastWords)
            channel->words.erase(0, channel->words.size() - kLastWords);
        return true;
    }
    channel->output += bytes;
    channel->full = channel->output.size() >= kMostWaiting;
    channel->wake(channel);
    return !channel->full;
}

/// The guard ends everything that it guards; one that does not is killed.
void AgentHost::Impl::Live::terminate(std::string_view reason) {
    if (over || !why.empty()) return;
    why = reason;
    if (guard == 0) return;  // its folder is being made
    end_guarded(guard);
    patience.expires_after(kGrace);
    patience.async_wait([self = shared_from_this()](const net::error_code& error) {
        if (!error && self->guard != 0) ::kill(self->guard, SIGKILL);
    });
}

/// The earliest of several such times counts. One that has not begun does not begin.
void AgentHost::Impl::Live::terminate_in(base::Duration time, std::string_view reason) {
    if (guard == 0) return terminate(reason);
    const base::Time at = base::Clock::now() + time;
    if (!why.empty() || at >= end_by) return;
    end_by = at;
    patience.expires_at(at);
    patience.async_wait([self = shared_from_this(), reason](const net::error_code& error) {
        if (!error) self->terminate(reason);
    });
}

void AgentHost::Impl::Live::ended() {
    const std::string how = how_it_ended(guard);
    reap(std::exchange(guard, 0));
    patience.cancel();
    net::error_code ignored;
    drain(output, true);
    drain(errors, false);
    for (Descriptor* one : {&exit, &output, &errors}) one->close(ignored);
    finish(why.empty() ? how : why);
}

void AgentHost::Impl::Live::finish(std::string how) {
    over = true;
    if (!command.fresh) return gone(std::move(how));
    asio::post(*host.disk, [self = shared_from_this(), how = std::move(how)]() mutable {
        std::error_code ignored;
        fs::remove_all(self->command.folder, ignored);
        asio::io_context& loop = self->host.loop;
        asio::post(loop, [self = std::move(self), how = std::move(how)] { self->gone(how); });
    });
}

void AgentHost::Impl::Live::gone(std::string how) {
    command.hold.reset();
    {
        const std::lock_guard lock(channel->mutex);
        channel->how = std::move(how);
        channel->ended = true;
        channel->wake(channel);
    }
    host.remove(this);
}

void AgentHost::Impl::remove(const Live* live) {
    lives.remove_if([live](const std::shared_ptr<Live>& one) { return one.get() == live; });
    const std::lock_guard lock(mutex);
    --count;
    idle.notify_all();
}

void AgentHost::Impl::run() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    loop.run();
}

AgentHost::AgentHost(std::string folder)
    : folder_(std::move(folder)), impl_(std::make_unique<Impl>()) {
    ProcessLimit::sweep();
    std::error_code ignored;
    for (const auto& kind : fs::directory_iterator(folder_, ignored)) {
        std::vector<fs::path> left;
        for (const auto& one : fs::directory_iterator(kind.path(), ignored))
            if (one.path().filename().string().starts_with(kFresh)) left.push_back(one.path());
        for (const fs::path& path : left) fs::remove_all(path, ignored);
    }
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

AgentHost::~AgentHost() {
    shutdown();
    if (!impl_->thread.joinable()) return;
    impl_->loop.stop();
    impl_->thread.join();
}

std::unique_ptr<AgentRun> AgentHost::start(net::Executor executor, AgentCommand command) {
    if (impl_->count.fetch_add(1) >= kMostRuns) {
        --impl_->count;
        return nullptr;
    }
    auto channel = std::make_shared<AgentRun::Channel>(executor);
    auto live = std::make_shared<Impl::Live>(*impl_, channel, std::move(command));
    const std::weak_ptr<Impl::Live> known = live;
    Impl* const impl = impl_.get();
    channel->resume = [impl, known] {
        asio::post(impl->loop, [known] {
            if (const auto run = known.lock(); run && run->guard != 0)
                run->read_on(run->output, true);
        });
    };
    channel->leave = [impl, known](base::Duration time) {
        asio::post(impl->loop, [known, time] {
            if (const auto run = known.lock())
                run->terminate_in(time, "was ended: nobody waits for it");
        });
    };
    asio::post(impl->loop, [impl, live = std::move(live)] {
        impl->lives.push_back(live);
        live->begin();
    });
    return std::make_unique<AgentRun>(std::move(channel));
}

bool AgentHost::shutdown() {
    if (!impl_->thread.joinable()) return true;
    asio::post(impl_->loop, [impl = impl_.get()] {
        const auto all = impl->lives;
        for (const auto& live : all) live->terminate("was ended: freeway is shutting down");
    });
    std::unique_lock lock(impl_->mutex);
    if (!impl_->idle.wait_for(lock, kShutdown, [this] { return impl_->count == 0; })) return false;
    lock.unlock();
    impl_->work.reset();
    impl_->thread.join();
    return true;
}

}  // namespace device
